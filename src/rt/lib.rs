//! The runtime's seam, and what stands behind it.
//!
//! [`Runtime`] is what a core offers to the rooms above: tasks, timers, direct files, sockets.
//! It has three implementations: [`ring`] (our executor on io_uring), [`mod@glommio`], and the
//! simulator's; [`any`] is one of the first two, chosen at the start. Beside it are primitives for one core ([`Shared`], [`oneshot`], [`Notify`],
//! [`Gate`], [`Credits`]) and the [`mesh`] between cores; they use no runtime of their own.
//!
//! This is the only room that names io-uring, glommio and core_affinity, and the only one in
//! which state is shared by reference counting: above it, a core's state is reached through
//! [`Shared::with`], which cannot be held across an await.

mod allocator;
pub mod any;
mod blocking;
mod buffer;
mod cold;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod cores;
mod cpus;
pub mod glommio;
pub mod local;
pub mod mesh;
mod parts;
mod probe;
#[cfg(test)]
mod real_host;
pub mod ring;
mod seam;
mod sys;

pub use allocator::keep_freed_memory;
pub use buffer::AlignedBuf;
pub use cold::space;
pub use cores::{CommitMode, CorePlan, Cores, Heartbeats, Options};
pub use cpus::allowed_cpus;
pub use local::{
    Credit, Credits, Elapsed, Gate, GatePass, Notify, Shared, WeakShared, oneshot, timeout,
};
pub use probe::{Missing, RuntimeKind, is_memory, probe, probe_direct_io, raise_descriptor_limit};
pub use seam::{DirEntry, File, Listener, OpenMode, Runtime, Space, Stream};
