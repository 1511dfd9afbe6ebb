//! One file a scenario, or a few that belong together. Numbers are rows of `docs/reliability.md`.

mod bombs;
mod flood;
mod fuzz;
mod hoarders;
mod lengths;
mod limits;
mod native;
mod partitions;
mod slow_loris;
mod slow_readers;

pub use bombs::bombs;
pub use flood::flood;
pub use fuzz::fuzz;
pub use hoarders::hoarders;
pub use lengths::lengths;
pub use limits::limits;
pub use partitions::partitions;
pub use slow_loris::slow_loris;
pub use slow_readers::slow_readers;
