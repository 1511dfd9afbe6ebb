//! What the slab holds for an operation in flight.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use bytes::BytesMut;

use super::ops::Gather;
use super::remote::Remote;
use crate::AlignedBuf;
use crate::sys::RawAddress;

/// More accepted connections than this wait for nobody: the multishot accept is cancelled and
/// armed again when they have been taken, so that the kernel's backlog does the refusing.
pub(super) const ACCEPTED_MAX: usize = 64;

/// The memory that an operation reads or writes. Moving it never moves what the kernel sees:
/// every variant keeps its bytes on the heap.
pub(super) enum Keep {
    Nothing,
    Aligned(AlignedBuf),
    Chunk(BytesMut),
    Gather(Box<Gather>),
    /// Held for the kernel, never read back.
    Address(#[expect(dead_code)] Box<RawAddress>),
}

/// One operation, or one pair of linked ones.
pub(super) struct Slot {
    /// Told apart from earlier users of the same key, so that a late cancellation hits nobody.
    pub(super) generation: u32,
    pub(super) work: Work,
    /// Open until the last completion, so that its number cannot come to mean another file.
    /// Held, never read.
    pub(super) _descriptor: Option<Rc<OwnedFd>>,
}

pub(super) enum Work {
    Single(Single),
    Accept(Accept),
    /// The standing read of the event counter.
    Event(Box<[u8; 8]>),
    /// A wake-up on its way to another core, which is alive at least as long.
    Wake(Arc<Remote>),
}

/// An operation that completes once, or twice if it is a pair.
pub(super) struct Single {
    pub(super) waker: Option<Waker>,
    /// One, or two for a pair.
    pub(super) halves: u8,
    /// Completions still to come.
    pub(super) awaited: u8,
    pub(super) results: [i32; 2],
    /// Flags of the last completion.
    pub(super) flags: u32,
    /// The future is gone: nobody wants the result.
    pub(super) abandoned: bool,
    pub(super) keep: Keep,
}

/// A multishot accept.
pub(super) struct Accept {
    pub(super) waker: Option<Waker>,
    /// Connections that nobody has taken yet; what a cancellation lets through comes on top.
    pub(super) accepted: VecDeque<io::Result<OwnedFd>>,
    /// The kernel will say no more for this slot.
    pub(super) finished: bool,
    pub(super) cancelled: bool,
    /// The listener is gone.
    pub(super) abandoned: bool,
}

/// What an operation ended with.
pub(super) struct Done {
    /// The kernel's results: at least 0, or a negative error number. The second belongs to a
    /// pair's second half.
    pub(super) results: [i32; 2],
    pub(super) flags: u32,
    pub(super) keep: Keep,
}

/// Names a slot for as long as it is the same operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) key: u32,
    pub(super) generation: u32,
}

/// The completion of a request whose result nobody needs.
pub(super) const IGNORED: u64 = u64::MAX;
/// A message from another core's ring: it has put a task into our queue.
pub(super) const WOKEN: u64 = u64::MAX - 1;
const SECOND_HALF: u64 = 1 << 31;

impl Ticket {
    /// What travels through the kernel: generation, half, key.
    pub(super) fn user_data(self, half: usize) -> u64 {
        let half = if half == 0 { 0 } else { SECOND_HALF };
        u64::from(self.generation) << 32 | half | u64::from(self.key)
    }

    pub(super) fn from_user_data(data: u64) -> (Self, usize) {
        let ticket = Self {
            key: (data & (SECOND_HALF - 1)) as u32,
            generation: (data >> 32) as u32,
        };
        (ticket, usize::from(data & SECOND_HALF != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_keeps_everything() {
        let ticket = Ticket {
            key: 0x000f_ffff,
            generation: u32::MAX,
        };
        for half in 0..2 {
            let data = ticket.user_data(half);
            assert!(data < WOKEN);
            let (back, at) = Ticket::from_user_data(data);
            assert!(back == ticket && at == half);
        }
    }
}
