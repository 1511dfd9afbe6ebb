//! The glommio runtime: the seam on glommio's executor, one a core.
//!
//! What glommio 0.9 needs, and gets here:
//! - It can park an executor that has runnable tasks (preempted before its first). A ticker of
//!   10 ms in every executor ends such a park; the preempt timer stays at its default.
//! - It leaks a descriptor for each executor: cores are started once a process.
//! - It panics where io_uring is disabled or MEMLOCK is low: the host is probed before.
//! - It polls a task for the first time inside of the call that spawns it. Ours wait a turn.
//! - It takes a device for one that can be polled if the first file that it opens there is empty,
//!   and then every read fails. It is shown another file first.
//! - A dropped file operation may leave the kernel with memory that goes with the executor. File
//!   operations therefore run in tasks of their own, to their end, and the shutdown waits for
//!   them. Sockets use the kernel's readiness and move bytes while they are polled, so that the
//!   kernel never holds a buffer of theirs.

#[cfg(test)]
mod conformance_test;
mod file;
mod runtime;
mod socket;

pub use file::GlommioFile;
pub use runtime::{GlommioRuntime, start};
pub use socket::{GlommioListener, GlommioStream};
