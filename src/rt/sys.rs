//! System calls that std does not have, each wrapped once.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, zeroed};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use corelog_base::{Monotonic, TimestampMs};

use crate::Space;

/// How many connections the kernel holds for a listener before it is asked for them.
const BACKLOG: libc::c_int = 1024;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// CLOCK_MONOTONIC.
pub(crate) fn monotonic() -> Monotonic {
    let time = clock(libc::CLOCK_MONOTONIC);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Monotonic(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// CLOCK_REALTIME.
pub(crate) fn wall() -> TimestampMs {
    let time = clock(libc::CLOCK_REALTIME);
    TimestampMs(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
}

fn clock(id: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a live local of the right type.
    let result = unsafe { libc::clock_gettime(id, &raw mut time) };
    assert_eq!(result, 0, "the clock exists");
    time
}

/// Lets another thread of this CPU run.
pub(crate) fn yield_cpu() {
    // SAFETY: takes nothing and cannot fail on Linux.
    unsafe { libc::sched_yield() };
}

/// What statx says of direct I/O, in bytes; None where kernel or file system do not say.
pub(crate) fn direct_io_alignment(file: &File) -> Option<u32> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the descriptor is open, the path is an empty C string as AT_EMPTY_PATH wants, and
    // the result has room for a statx.
    let result = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_DIOALIGN,
            stat.as_mut_ptr(),
        )
    };
    if result != 0 {
        return None;
    }
    // SAFETY: every bit pattern is a statx, and it was zeroed before.
    let stat = unsafe { stat.assume_init() };
    (stat.stx_mask & libc::STATX_DIOALIGN != 0)
        .then(|| stat.stx_dio_offset_align.max(stat.stx_dio_mem_align))
}

pub(crate) fn space(path: &Path) -> io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends in a zero and the result has room for a statvfs.
    check(unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) })?;
    // SAFETY: every bit pattern is a statvfs, and it was zeroed before.
    let stat = unsafe { stat.assume_init() };
    Ok(Space {
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
    })
}

/// Whether the file system of a path is one in memory.
pub(crate) fn is_memory(path: &Path) -> io::Result<bool> {
    const KINDS: [i64; 2] = [libc::TMPFS_MAGIC, 0x8584_58f6]; // the other is ramfs
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the path ends in a zero and the result has room for a statfs.
    check(unsafe { libc::statfs(path.as_ptr(), stat.as_mut_ptr()) })?;
    // SAFETY: every bit pattern is a statfs, and it was zeroed before.
    let stat = unsafe { stat.assume_init() };
    Ok(KINDS.contains(&stat.f_type))
}

/// The length of an open file, in bytes.
pub(crate) fn file_bytes(file: BorrowedFd<'_>) -> io::Result<u64> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the descriptor is open and the result has room for a stat.
    check(unsafe { libc::fstat(file.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: every bit pattern is a stat, and it was zeroed before.
    let stat = unsafe { stat.assume_init() };
    u64::try_from(stat.st_size).map_err(io::Error::other)
}

/// A counter that threads without a ring add to, to wake the core that reads it.
pub(crate) fn event() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: just made, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Adds one to the counter. A full counter wakes as well, so that a refusal needs no care.
pub(crate) fn signal(event: &OwnedFd) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: eight readable bytes.
    unsafe { libc::write(event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

/// An address in the kernel's shape.
pub(crate) struct RawAddress {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl RawAddress {
    pub(crate) fn new(address: SocketAddr) -> Self {
        // SAFETY: all zeros is a sockaddr_storage.
        let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
        let len = match address {
            SocketAddr::V4(v4) => {
                let raw = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(v4.ip().octets()),
                    },
                    sin_zero: [0; 8],
                };
                // SAFETY: the storage is larger than and aligned for any address.
                unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(raw) };
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                let raw = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: v6.ip().octets(),
                    },
                    sin6_scope_id: v6.scope_id(),
                };
                // SAFETY: as above.
                unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(raw) };
                size_of::<libc::sockaddr_in6>()
            }
        };
        Self {
            storage,
            len: len as libc::socklen_t,
        }
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// In bytes.
    pub(crate) fn len(&self) -> libc::socklen_t {
        self.len
    }
}

/// A TCP socket of the address' family.
pub(crate) fn tcp_socket(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    // SAFETY: takes no pointers.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: just made, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_flag(socket: &OwnedFd, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value is a live c_int and its size is given.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

pub(crate) fn set_nodelay(socket: &OwnedFd) -> io::Result<()> {
    set_flag(socket, libc::IPPROTO_TCP, libc::TCP_NODELAY)
}

/// A listening socket with SO_REUSEPORT.
pub(crate) fn listen(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = tcp_socket(address)?;
    set_flag(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    set_flag(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    let raw = RawAddress::new(address);
    // SAFETY: the address lives through the call and its length is right.
    check(unsafe { libc::bind(socket.as_raw_fd(), raw.as_ptr(), raw.len()) })?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })?;
    Ok(socket)
}

/// Ends both directions. A socket that is not connected any more needs nothing.
pub(crate) fn shutdown(socket: &impl AsRawFd) {
    // SAFETY: takes no pointers.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Sends what the socket takes at once, gathered. `WouldBlock` if that is nothing.
pub(crate) fn send_now(socket: &impl AsRawFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: all zeros is a msghdr without anything in it.
    let mut header: libc::msghdr = unsafe { zeroed() };
    // IoSlice has the shape of an iovec, and a send only reads it.
    header.msg_iov = slices.as_ptr().cast_mut().cast();
    header.msg_iovlen = slices.len();
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the header names slices that live through the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn limit(resource: libc::__rlimit_resource_t) -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: room for an rlimit.
    check(unsafe { libc::getrlimit(resource, &raw mut limit) })?;
    Ok(limit)
}

fn set_descriptor_limit(limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: a live rlimit.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(())
}

/// How much memory this process may lock, in bytes.
pub(crate) fn memlock_bytes() -> io::Result<u64> {
    Ok(limit(libc::RLIMIT_MEMLOCK)?.rlim_cur)
}

/// Raises the limit of descriptors towards `wanted`; returns what it is now.
pub(crate) fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    let mut limit = limit(libc::RLIMIT_NOFILE)?;
    let goal = wanted.min(limit.rlim_max);
    if goal > limit.rlim_cur {
        limit.rlim_cur = goal;
        set_descriptor_limit(limit)?;
    }
    Ok(limit.rlim_cur)
}

/// Lowers the limit of descriptors.
#[cfg(test)]
pub(crate) fn lower_descriptor_limit(count: u64) -> io::Result<()> {
    let mut limit = limit(libc::RLIMIT_NOFILE)?;
    limit.rlim_cur = count.min(limit.rlim_max);
    set_descriptor_limit(limit)
}

/// Makes writes beyond `bytes` fail with EFBIG, and without the signal that goes with it.
#[cfg(test)]
pub(crate) fn limit_file_bytes(bytes: u64) -> io::Result<()> {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let mut limit = limit(libc::RLIMIT_FSIZE)?;
    limit.rlim_cur = bytes;
    // SAFETY: a live rlimit.
    check(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn addresses_keep_their_shape() {
        for text in ["127.0.0.1:0", "[::1]:0"] {
            let socket = listen(text.parse().unwrap()).unwrap();
            let bound = TcpListener::from(socket).local_addr().unwrap();
            assert_ne!(bound.port(), 0);
            assert!(bound.ip().is_loopback());
            // SO_REUSEPORT: a second listener on the very port.
            listen(bound).unwrap();
        }
    }

    #[test]
    fn clocks_move() {
        let before = monotonic();
        assert!(monotonic() >= before);
        assert!(wall().0 > 1_600_000_000_000);
    }
}
