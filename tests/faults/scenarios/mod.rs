//! One file a fault.

mod blocks;
mod clock;
mod disk_full;
mod hole;
mod io_error;
mod kill;
mod planted;
mod power;
mod slow_disk;
mod stop;
mod torn_tail;

pub use blocks::{bit_flip, sectors};
pub use clock::clock;
pub use disk_full::disk_full;
pub use hole::hole;
pub use io_error::io_error;
pub use kill::{cores, kill};
pub use planted::planted;
pub use power::power;
pub use slow_disk::slow_disk;
pub use stop::stop;
pub use torn_tail::torn_tail;
