//! Sockets on glommio. Bytes move while a future is polled, by calls that do not block; the ring
//! only tells when to try again. So the kernel never holds a buffer, and a dropped future loses
//! nothing that has not been handed out.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ::glommio::net::{AcceptedTcpStream, TcpListener, TcpStream};
use bytes::{Bytes, BytesMut};
use futures_lite::{AsyncRead, AsyncWrite};

use super::runtime::Core;
use crate::parts::Parts;
use crate::{Listener, Stream, sys};

/// The most that one call receives, in bytes: the room for it is zeroed before.
const RECEIVE_BYTES_MAX: usize = 64 * 1024;
/// The most slices that one call sends.
const SLICES_MAX: usize = 64;

/// A connected socket on glommio.
#[derive(Clone)]
pub struct GlommioStream {
    /// Borrowed within a poll only.
    socket: Rc<RefCell<TcpStream>>,
    peer: SocketAddr,
}

impl GlommioStream {
    fn new(socket: TcpStream) -> io::Result<Self> {
        let peer = socket.peer_addr().map_err(io::Error::from)?;
        socket.set_nodelay(true).map_err(io::Error::from)?;
        Ok(Self {
            socket: Rc::new(RefCell::new(socket)),
            peer,
        })
    }

    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(TcpStream::connect(address).await.map_err(io::Error::from)?)
    }

    fn poll_recv(&self, buf: &mut BytesMut, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let before = buf.len();
        let room = (buf.capacity() - before).min(RECEIVE_BYTES_MAX);
        buf.resize(before + room, 0);
        let socket = &mut *self.socket.borrow_mut();
        let polled = Pin::new(socket).poll_read(cx, &mut buf[before..]);
        let count = match &polled {
            Poll::Ready(Ok(count)) => *count,
            _ => 0,
        };
        buf.truncate(before + count);
        polled
    }

    fn poll_send(&self, parts: &mut Parts, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self.socket.borrow_mut();
        loop {
            let slices: Vec<IoSlice<'_>> =
                parts.left().take(SLICES_MAX).map(IoSlice::new).collect();
            let Some(first) = parts.left().next() else {
                return Poll::Ready(Ok(()));
            };
            let count = match sys::send_now(socket, &slices) {
                // Tries once more, and leaves the waker with the ring.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(Pin::new(&mut *socket).poll_write(cx, first))?
                }
                sent => sent?,
            };
            parts.advance(count);
        }
    }
}

impl Stream for GlommioStream {
    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn recv(
        &self,
        mut buf: BytesMut,
    ) -> impl Future<Output = (io::Result<usize>, BytesMut)> + 'static {
        assert!(buf.capacity() > buf.len(), "a receive needs room");
        let this = self.clone();
        async move {
            let result = poll_fn(|cx| this.poll_recv(&mut buf, cx)).await;
            (result, buf)
        }
    }

    fn send(&self, parts: Vec<Bytes>) -> impl Future<Output = io::Result<()>> + 'static {
        let this = self.clone();
        let mut parts = Parts::new(parts);
        async move { poll_fn(|cx| this.poll_send(&mut parts, cx)).await }
    }

    fn close(&self) {
        sys::shutdown(&*self.socket.borrow());
    }
}

type Accepting = Pin<Box<dyn Future<Output = ::glommio::Result<AcceptedTcpStream, ()>>>>;

/// A listening socket on glommio. One accept at a time.
pub struct GlommioListener(Rc<Listening>);

struct Listening {
    core: Rc<Core>,
    local: SocketAddr,
    socket: Rc<TcpListener>,
    /// The same socket, for what glommio does not offer.
    twin: OwnedFd,
    /// The accept in flight. It outlives the futures that wait for it, so that a dropped accept
    /// loses no connection.
    accepting: RefCell<Option<Accepting>>,
}

impl GlommioListener {
    pub(super) fn bind(core: Rc<Core>, address: SocketAddr) -> io::Result<Self> {
        let listener = sys::listen(address)?;
        let twin = listener.try_clone()?;
        // SAFETY: the descriptor is given away here and owned by nobody else.
        let socket = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
        Ok(Self(Rc::new(Listening {
            core,
            local: socket.local_addr().map_err(io::Error::from)?,
            socket: Rc::new(socket),
            twin,
            accepting: RefCell::new(None),
        })))
    }
}

impl Listening {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<AcceptedTcpStream>> {
        let mut place = self.accepting.borrow_mut();
        let accepting = place.get_or_insert_with(|| {
            let socket = Rc::clone(&self.socket);
            Box::pin(async move { socket.shared_accept().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        *place = None;
        Poll::Ready(accepted.map_err(io::Error::from))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Dropping an accept that has a connection already would leak its descriptor, and leave
        // the peer waiting. The shutdown ends the accept; what it took in is closed.
        sys::shutdown(&self.twin);
        if let Some(accepting) = self.accepting.take() {
            let ending = async move { accepting.await.map(|taken| taken.bind_to_executor()) };
            drop(self.core.operate(ending));
        }
    }
}

impl Listener for GlommioListener {
    type Stream = GlommioStream;

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local)
    }

    fn accept(&self) -> impl Future<Output = io::Result<GlommioStream>> + 'static {
        let listening = Rc::clone(&self.0);
        async move {
            loop {
                let accepted = poll_fn(|cx| listening.poll_accept(cx)).await?;
                // A peer that has gone already is no reason to bother the caller.
                if let Ok(stream) = GlommioStream::new(accepted.bind_to_executor()) {
                    return Ok(stream);
                }
            }
        }
    }
}
