//! Listening sockets: a multishot accept that is armed when somebody asks.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::executor::Core;
use super::slot::Ticket;
use super::socket::RingStream;
use crate::{Listener, sys};

/// A listening socket on a ring. One accept at a time.
pub struct RingListener(Rc<Listening>);

struct Listening {
    core: Rc<Core>,
    fd: Rc<OwnedFd>,
    local: SocketAddr,
    /// The multishot accept in flight. It outlives the futures that wait for it, so that a
    /// dropped accept loses no connection.
    armed: Cell<Option<Ticket>>,
}

impl RingListener {
    pub(super) fn bind(core: Rc<Core>, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::from(sys::listen(address)?);
        let local = listener.local_addr()?;
        Ok(Self(Rc::new(Listening {
            core,
            fd: Rc::new(OwnedFd::from(listener)),
            local,
            armed: Cell::new(None),
        })))
    }
}

impl Listening {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<OwnedFd>> {
        let driver = self.core.driver();
        loop {
            let ticket = match self.armed.get() {
                Some(ticket) => ticket,
                None => match driver.arm_accept(&self.fd) {
                    Some(ticket) => ticket,
                    None => return Poll::Ready(Err(io::ErrorKind::ResourceBusy.into())),
                },
            };
            self.armed.set(Some(ticket));
            match driver.poll_accept(ticket, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(connection)) => return Poll::Ready(connection),
                // Ended by an error that was handed out, or by our own cancellation.
                Poll::Ready(None) => self.armed.set(None),
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(ticket) = self.armed.get() {
            self.core.driver().abandon_accept(ticket);
        }
    }
}

impl Listener for RingListener {
    type Stream = RingStream;

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local)
    }

    fn accept(&self) -> impl Future<Output = io::Result<RingStream>> + 'static {
        let listening = Rc::clone(&self.0);
        async move {
            loop {
                let fd = poll_fn(|cx| listening.poll_accept(cx)).await?;
                let connection = TcpStream::from(fd);
                // A peer that has gone already is no reason to bother the caller.
                let Ok(peer) = connection.peer_addr() else {
                    continue;
                };
                let fd = Rc::new(OwnedFd::from(connection));
                if let Ok(stream) = RingStream::new(Rc::clone(&listening.core), fd, peer) {
                    return Ok(stream);
                }
            }
        }
    }
}
