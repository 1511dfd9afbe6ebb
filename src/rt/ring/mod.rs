//! The ring runtime: our own executor, one a core, on io_uring.
//!
//! A core is one thread with a queue of tasks (`executor`), a ring with a slab of operations
//! (`driver`), timers, and a thread for cold file work. A turn runs what is ready, submits what
//! that asked for, reaps what completed and fires what is due; an idle core parks in the same
//! system call that submits. Nothing here is shared between cores but `remote::Remote`, through
//! which others wake this one.
//!
//! Memory: whatever the kernel may touch lives in the slab until the last completion of its
//! operation, whatever became of the future. Dropping a future marks the slot and asks the kernel
//! to cancel.

#[cfg(test)]
mod conformance_test;
mod driver;
mod executor;
mod file;
mod listener;
mod ops;
mod probe;
mod remote;
mod runtime;
mod slot;
mod socket;
mod state;
mod timers;

pub use file::RingFile;
pub use listener::RingListener;
pub use probe::probe_commit;
pub use runtime::{RingRuntime, start};
pub use socket::RingStream;
