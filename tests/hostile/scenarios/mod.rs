//! One file a scenario, or a few that belong together. Numbers are rows of `docs/reliability.md`.

mod flood;
mod lengths;
mod slow_loris;

pub use flood::flood;
pub use lengths::lengths;
pub use slow_loris::slow_loris;
