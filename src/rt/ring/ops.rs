//! The operations that the runtime asks of the ring, each as a safe function that hands its
//! memory to the driver and gives it back when the kernel is done.

#![allow(unsafe_code)]

use std::io;
use std::mem::zeroed;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};
use io_uring::{cqueue, opcode, types};

use super::driver::{Driver, Op};
use super::slot::{Done, Keep};
use super::state::Chain;
use crate::AlignedBuf;
use crate::parts::Parts;
use crate::sys::RawAddress;

/// The most that one operation moves, in bytes; the kernel's own limit is a little below 2 GiB.
const OPERATION_BYTES_MAX: usize = 1 << 30;
/// IORING_RECVSEND_POLL_FIRST: do not try before the socket says that it is ready.
const POLL_FIRST: u16 = 1;
/// The most slices in one gathered send (IOV_MAX).
const SLICES_MAX: usize = 1024;

fn outcome(result: i32) -> io::Result<u32> {
    u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

fn aligned(keep: Keep) -> AlignedBuf {
    let Keep::Aligned(buf) = keep else {
        unreachable!("the driver gives back what it was given")
    };
    buf
}

/// Where an operation on a file starts, in the buffer and in the file.
#[derive(Clone, Copy)]
pub(super) struct At {
    /// Bytes of the buffer that earlier operations dealt with.
    pub(super) skip: usize,
    pub(super) position: u64,
}

/// One read into `buf[at.skip..capacity]`, behind which the buffer then ends. Gives how many bytes
/// arrived; 0 at the end of the file.
pub(super) async fn read(
    driver: &Rc<Driver>,
    file: &Rc<OwnedFd>,
    mut buf: AlignedBuf,
    at: At,
) -> (io::Result<u32>, AlignedBuf) {
    assert!(at.skip <= buf.len() && at.skip < buf.capacity());
    let room = (buf.capacity() - at.skip).min(OPERATION_BYTES_MAX);
    // SAFETY: inside the buffer's allocation, as asserted.
    let start = unsafe { buf.as_mut_ptr().add(at.skip) };
    let entry = opcode::Read::new(types::Fd(file.as_raw_fd()), start, room as u32)
        .offset(at.position)
        .build();
    // SAFETY: `start` has `room` bytes inside the buffer's heap memory, which Keep owns.
    let op = unsafe { driver.submit(file, Keep::Aligned(buf), Chain::One(entry)) };
    let done = op.await;
    let (result, mut buf) = (outcome(done.results[0]), aligned(done.keep));
    if let Ok(count) = result {
        // SAFETY: what lies before them was read before, and these the kernel has written.
        unsafe { buf.set_filled(at.skip + count as usize) };
    }
    (result, buf)
}

fn write_entry(
    file: &Rc<OwnedFd>,
    buf: &mut AlignedBuf,
    at: At,
    flags: i32,
) -> io_uring::squeue::Entry {
    assert!(at.skip < buf.len());
    let count = (buf.len() - at.skip).min(OPERATION_BYTES_MAX);
    // SAFETY: inside the buffer's allocation, as asserted.
    let start = unsafe { buf.as_mut_ptr().add(at.skip) };
    opcode::Write::new(types::Fd(file.as_raw_fd()), start, count as u32)
        .offset(at.position)
        .rw_flags(flags)
        .build()
}

/// Whether a write is durable by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    No,
    Yes,
}

/// One write of `buf[at.skip..]`. Gives how many bytes were written.
pub(super) async fn write(
    driver: &Rc<Driver>,
    file: &Rc<OwnedFd>,
    mut buf: AlignedBuf,
    at: At,
    durable: Durable,
) -> (io::Result<u32>, AlignedBuf) {
    let flags = match durable {
        Durable::No => 0,
        Durable::Yes => libc::RWF_DSYNC,
    };
    let entry = write_entry(file, &mut buf, at, flags);
    // SAFETY: the entry points into the buffer's heap memory, which Keep owns.
    let op = unsafe { driver.submit(file, Keep::Aligned(buf), Chain::One(entry)) };
    let done = op.await;
    (outcome(done.results[0]), aligned(done.keep))
}

/// What the two halves of [`write_flush`] ended with.
pub(super) struct WriteFlush {
    pub(super) written: io::Result<u32>,
    /// Canceled if the write failed or was short.
    pub(super) flushed: io::Result<u32>,
}

/// One write of `buf[at.skip..]` and an fdatasync that starts when all of it is written.
pub(super) async fn write_flush(
    driver: &Rc<Driver>,
    file: &Rc<OwnedFd>,
    mut buf: AlignedBuf,
    at: At,
) -> (WriteFlush, AlignedBuf) {
    let write = write_entry(file, &mut buf, at, 0);
    let flush = opcode::Fsync::new(types::Fd(file.as_raw_fd()))
        .flags(types::FsyncFlags::DATASYNC)
        .build();
    // SAFETY: the write points into the buffer's heap memory, which Keep owns; the flush has no
    // pointers.
    let op = unsafe { driver.submit(file, Keep::Aligned(buf), Chain::Linked(write, flush)) };
    let done = op.await;
    let outcomes = WriteFlush {
        written: outcome(done.results[0]),
        flushed: outcome(done.results[1]),
    };
    (outcomes, aligned(done.keep))
}

/// What of a file a flush covers.
#[derive(Clone, Copy)]
pub(super) enum Flush {
    Data,
    All,
}

pub(super) async fn flush(driver: &Rc<Driver>, file: &Rc<OwnedFd>, what: Flush) -> io::Result<()> {
    let flags = match what {
        Flush::Data => types::FsyncFlags::DATASYNC,
        Flush::All => types::FsyncFlags::empty(),
    };
    let entry = opcode::Fsync::new(types::Fd(file.as_raw_fd()))
        .flags(flags)
        .build();
    let done = plain(driver, file, entry).await;
    outcome(done.results[0]).map(|_| ())
}

fn plain(driver: &Rc<Driver>, file: &Rc<OwnedFd>, entry: io_uring::squeue::Entry) -> Op {
    // SAFETY: the callers in this module build entries without pointers.
    unsafe { driver.submit(file, Keep::Nothing, Chain::One(entry)) }
}

/// What the last receive said about the socket, to guess how the next one will go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// More was there than fitted: try at once.
    Data,
    /// It was drained: wait until the socket is readable.
    Silence,
}

/// Receives into the spare capacity of `buf`.
pub(super) async fn receive(
    driver: &Rc<Driver>,
    socket: &Rc<OwnedFd>,
    mut buf: BytesMut,
    expect: Expect,
) -> (io::Result<usize>, BytesMut, Expect) {
    let spare = buf.spare_capacity_mut();
    assert!(!spare.is_empty(), "a receive needs room");
    let room = spare.len().min(OPERATION_BYTES_MAX);
    let how = match expect {
        Expect::Data => 0,
        Expect::Silence => POLL_FIRST,
    };
    let start = spare.as_mut_ptr().cast::<u8>();
    let entry = opcode::Recv::new(types::Fd(socket.as_raw_fd()), start, room as u32)
        .ioprio(how)
        .build();
    // SAFETY: `start` has `room` spare bytes of the buffer's heap memory. BytesMut moves nothing
    // while nobody touches it, and Keep owns it.
    let op = unsafe { driver.submit(socket, Keep::Chunk(buf), Chain::One(entry)) };
    let done = op.await;
    let Keep::Chunk(mut buf) = done.keep else {
        unreachable!("the driver gives back what it was given")
    };
    let expect = match cqueue::sock_nonempty(done.flags) {
        true => Expect::Data,
        false => Expect::Silence,
    };
    let result = outcome(done.results[0]).map(|count| {
        let count = count as usize;
        assert!(count <= room);
        // SAFETY: the kernel has written `count` bytes into the spare capacity.
        unsafe { buf.advance_mut(count) };
        count
    });
    (result, buf, expect)
}

/// A gathered send, and the kernel's view of what is left of it.
pub(super) struct Gather {
    header: libc::msghdr,
    slices: Vec<libc::iovec>,
    parts: Parts,
}

impl Gather {
    fn new(parts: Vec<Bytes>) -> Self {
        Self {
            // SAFETY: all zeros is a msghdr without anything in it.
            header: unsafe { zeroed() },
            slices: Vec::with_capacity(parts.len().min(SLICES_MAX)),
            parts: Parts::new(parts),
        }
    }

    /// Lays out the next slices. False if nothing is left.
    fn prepare(&mut self) -> bool {
        self.slices.clear();
        let left = self.parts.left().take(SLICES_MAX);
        self.slices.extend(left.map(|slice| libc::iovec {
            iov_base: slice.as_ptr().cast_mut().cast(),
            iov_len: slice.len(),
        }));
        self.header.msg_iov = self.slices.as_mut_ptr();
        self.header.msg_iovlen = self.slices.len();
        !self.slices.is_empty()
    }
}

/// Sends all parts in order. A partial send goes on behind its last byte.
pub(super) async fn send(
    driver: &Rc<Driver>,
    socket: &Rc<OwnedFd>,
    parts: Vec<Bytes>,
) -> io::Result<()> {
    let mut gather = Box::new(Gather::new(parts));
    while gather.prepare() {
        // With MSG_WAITALL the kernel itself goes on after most partial sends.
        let entry = opcode::SendMsg::new(types::Fd(socket.as_raw_fd()), &raw const gather.header)
            .flags((libc::MSG_NOSIGNAL | libc::MSG_WAITALL) as u32)
            .build();
        // SAFETY: header, slices and the bytes that they name are on the heap, owned by the box.
        let op = unsafe { driver.submit(socket, Keep::Gather(gather), Chain::One(entry)) };
        let done: Done = op.await;
        let Keep::Gather(back) = done.keep else {
            unreachable!("the driver gives back what it was given")
        };
        gather = back;
        match outcome(done.results[0]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => gather.parts.advance(count as usize),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(super) async fn connect(
    driver: &Rc<Driver>,
    socket: &Rc<OwnedFd>,
    address: SocketAddr,
) -> io::Result<()> {
    let raw = Box::new(RawAddress::new(address));
    let entry =
        opcode::Connect::new(types::Fd(socket.as_raw_fd()), raw.as_ptr(), raw.len()).build();
    // SAFETY: the address is on the heap, owned by the box.
    let op = unsafe { driver.submit(socket, Keep::Address(raw), Chain::One(entry)) };
    outcome(op.await.results[0]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_parts_go_in_rounds() {
        let mut gather = Gather::new(vec![Bytes::from_static(b"x"); SLICES_MAX + 1]);
        assert!(gather.prepare());
        assert_eq!(gather.slices.len(), SLICES_MAX);
        gather.parts.advance(SLICES_MAX);
        assert!(gather.prepare());
        assert_eq!(gather.slices.len(), 1);
        gather.parts.advance(1);
        assert!(!gather.prepare());
    }
}
