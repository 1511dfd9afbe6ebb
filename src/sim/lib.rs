//! The simulator: whole nodes in one thread, with simulated time, disks and network.
//!
//! [`Sim`] is a world of hosts. Each host has cores, and each core is a [`SimRuntime`]: the seam
//! of `rt`, so that the rooms above run here as they run on a machine. One seed decides every
//! choice (which task runs, how long an operation takes, what a crash leaves behind), so a seed
//! replays a failure identically; [`Sim::trace_hash`] tells two runs apart.
//!
//! Nothing here is used by a broker, and nothing here depends on how fast the machine is.
//!
//! # Fault model
//! **Process crash** ([`Host::kill`]): tasks vanish at an await. Completed operations of files and
//! folders stay; each one in flight happens wholly, in part, or not at all.
//!
//! **Power loss** ([`Host::power_loss`]): as above, and of what was completed only this stays for
//! certain:
//! - bytes of a `commit` that returned Ok, and a file length that covers them;
//! - everything written to a file, and its length, before a `sync_data` or `sync_all` began that
//!   returned Ok;
//! - names in a folder that were made, changed or removed before a `sync_dir` of that folder
//!   began that returned Ok. A rename between two folders is one change: flushing either keeps it.
//!
//! Every other write is kept whole, dropped, cut short, or torn: each 512-byte sector is the new or
//! the old one. Writes to different places are lost independently, so a later one may survive
//! an earlier one. A flush of one file keeps nothing of another. Changes of a file's length
//! survive as a prefix; a length that survives without its bytes reads as zeros. Changes of names
//! survive as a prefix in each folder, independent of other folders and of the files' bytes. This
//! is weaker than ext4 with ordered data, which commits changes of names in one global order.
//!
//! **Errors** ([`DiskFaults`]): a failed write may have changed any of its sectors. After a failed
//! flush, what it should have kept is durable or not for good: a later flush that succeeds does
//! not bring it back (the kernel has marked the pages clean). **Full disk**: a write or a resize that
//! needs space fails and changes nothing. **Bit flips** change what is read and what is durable.
//!
//! **Network** ([`Links`]): messages between hosts are dropped, duplicated, delayed and thereby
//! reordered; a pair of hosts may be cut in one direction or both. Streams are TCP: bytes arrive
//! in order or not at all, and wait while a link is cut.
//!
//! **Clocks**: the monotonic clock of all hosts is one; wall clocks can be set apart.
//! **Pauses**: a core, or a whole host, stands still for a while ([`Host::pause`]).

pub mod checker;
mod disk;
mod executor;
mod file;
pub mod history;
mod host;
mod links;
mod listener;
mod request;
mod runtime;
mod stream;
mod time;
mod world;

#[cfg(test)]
mod checker_test;
#[cfg(test)]
mod crash_test;

pub use disk::{Disk, DiskFaults, Site};
pub use executor::Sim;
pub use file::SimFile;
pub use host::Host;
pub use links::{Links, Weather};
pub use listener::SimListener;
pub use runtime::SimRuntime;
pub use stream::SimStream;
pub use world::Options;
