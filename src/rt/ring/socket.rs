//! Connected sockets.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::executor::Core;
use super::ops::{self, Expect};
use crate::{Stream, sys};

/// A connected socket on a ring.
#[derive(Clone)]
pub struct RingStream(Rc<Socket>);

struct Socket {
    core: Rc<Core>,
    fd: Rc<OwnedFd>,
    peer: SocketAddr,
    expect: Cell<Expect>,
}

impl RingStream {
    /// A socket that is connected to `peer`.
    pub(super) fn new(core: Rc<Core>, fd: Rc<OwnedFd>, peer: SocketAddr) -> io::Result<Self> {
        sys::set_nodelay(&fd)?;
        Ok(Self(Rc::new(Socket {
            core,
            fd,
            peer,
            expect: Cell::new(Expect::Silence),
        })))
    }
}

impl Stream for RingStream {
    fn peer_addr(&self) -> SocketAddr {
        self.0.peer
    }

    fn recv(&self, buf: BytesMut) -> impl Future<Output = (io::Result<usize>, BytesMut)> + 'static {
        let socket = Rc::clone(&self.0);
        async move {
            let expect = socket.expect.get();
            let (result, buf, expect) =
                ops::receive(socket.core.driver(), &socket.fd, buf, expect).await;
            socket.expect.set(expect);
            (result, buf)
        }
    }

    fn send(&self, parts: Vec<Bytes>) -> impl Future<Output = io::Result<()>> + 'static {
        let socket = Rc::clone(&self.0);
        async move { ops::send(socket.core.driver(), &socket.fd, parts).await }
    }

    fn close(&self) {
        sys::shutdown(&*self.0.fd);
    }
}
