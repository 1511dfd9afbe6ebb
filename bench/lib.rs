//! The benchmark: an open loop over any broker that speaks Kafka's protocol, and over corelog's
//! native one.
//!
//! Requests start on a schedule that does not wait for answers, and a latency counts from the
//! moment at which its request was meant to start. So a broker that stalls for a second shows a
//! second to every request that fell into it, and a generator that cannot keep up makes its own
//! run invalid instead of looking fast.
//!
//! It runs on threads of its own: workers that each drive some connections through epoll, one
//! blocking thread for each consumer, and the caller's thread, which collects. It speaks through
//! sockets and files only and never looks into a broker.

mod bootstrap;
mod clock;
mod compare;
mod disk;
mod driver;
mod environment;
mod error;
mod files;
mod floor;
mod folder;
mod histogram;
mod kafka;
mod native;
mod outcome;
mod overhead;
mod payload;
mod progress;
mod report;
mod run;
mod schedule;
mod settings;
mod sink;
mod sink_native;
mod socket;
mod spread;
mod summary;
mod svg;
mod sweep;
mod tally;
mod totals;
mod worker;

#[cfg(test)]
mod compare_test;
#[cfg(test)]
mod outcome_test;
#[cfg(test)]
mod run_test;

pub use bootstrap::Estimate;
pub use compare::{Compare, Comparison, compare};
pub use driver::Driver;
pub use environment::environment;
pub use error::{Error, Kind};
pub use floor::{Floor, FloorLine, floor};
pub use outcome::{Counted, Generator, Outcome, Stalls};
pub use overhead::Overhead;
pub use run::{Stop, run};
pub use settings::{Acks, Arrivals, Load, Mode, Rate, Settings, Target, parse_cpus};
pub use summary::Summary;
pub use sweep::{Rates, Sweep, SweepPoint, sweep};
