//! One file a fault.

mod blocks;
mod hole;
mod kill;
mod stop;
mod torn_tail;

pub use blocks::{bit_flip, sectors};
pub use hole::hole;
pub use kill::{cores, kill};
pub use stop::stop;
pub use torn_tail::torn_tail;
