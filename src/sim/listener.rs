//! Listening sockets. Several may share a port; a connection goes to any of them.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use corelog_rt::{Listener, Shared};

use crate::runtime::SimRuntime;
use crate::stream::SimStream;
use crate::world::Queue;

/// Connections that nobody has accepted yet. Bounded by who connects.
#[derive(Default)]
pub(crate) struct Backlog {
    /// Of the socket.
    number: u64,
    pub(crate) waiting: Queue<SimStream>,
    pub(crate) wakers: Vec<Waker>,
}

struct Socket {
    rt: SimRuntime,
    address: SocketAddr,
    backlog: Shared<Backlog>,
    number: u64,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let (rt, port) = (&self.rt, self.address.port());
        rt.sim.0.with(|world| {
            let host = world.host(rt.host);
            if host.life == rt.life
                && let Some(sockets) = host.listeners.get_mut(&port)
            {
                // Connections that came meanwhile are closed with the backlog.
                sockets.retain(|other| other.with(|other| other.number != self.number));
                if sockets.is_empty() {
                    host.listeners.remove(&port);
                }
            }
        });
        let waiting = self
            .backlog
            .with(|backlog| std::mem::take(&mut backlog.waiting));
        drop(waiting);
    }
}

pub struct SimListener(Rc<Socket>);

fn no_descriptors() -> io::Error {
    io::Error::from_raw_os_error(24)
}

impl SimListener {
    pub(crate) fn new(rt: SimRuntime, mut address: SocketAddr) -> io::Result<Self> {
        let number = rt.sim.0.with(|world| {
            world.next_operation += 1;
            world.next_operation
        });
        let backlog = Shared::new(Backlog {
            number,
            ..Backlog::default()
        });
        rt.sim.0.with(|world| {
            let host = world.host(rt.host);
            if host.descriptors_gone || host.life != rt.life {
                return Err(no_descriptors());
            }
            if address.port() == 0 {
                host.next_port += 1;
                address.set_port(host.next_port);
            }
            let sockets = host.listeners.entry(address.port()).or_default();
            sockets.push(backlog.clone());
            Ok(())
        })?;
        Ok(Self(Rc::new(Socket {
            rt,
            address,
            backlog,
            number,
        })))
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.address)
    }

    fn accept(&self) -> impl Future<Output = io::Result<SimStream>> + 'static {
        let (rt, backlog) = (self.0.rt.clone(), self.0.backlog.clone());
        poll_fn(move |cx| {
            if rt.sim.0.with(|world| world.host(rt.host).descriptors_gone) {
                return Poll::Ready(Err(no_descriptors()));
            }
            backlog.with(|backlog| match backlog.waiting.pop_front() {
                Some(stream) => Poll::Ready(Ok(stream)),
                None => {
                    backlog.wakers.push(cx.waker().clone());
                    Poll::Pending
                }
            })
        })
    }
}

/// Connects to a listener of the host that the address belongs to.
pub(crate) async fn connect(rt: SimRuntime, address: SocketAddr) -> io::Result<SimStream> {
    let Some(host) = rt.host_of(address) else {
        return Err(io::ErrorKind::HostUnreachable.into());
    };
    let travel = rt.sim.0.with(|world| world.latency(20, 200));
    corelog_rt::Runtime::sleep(&rt, travel).await;
    let backlog = rt.sim.0.with(|world| {
        if world.host(rt.host).descriptors_gone {
            return Err(no_descriptors());
        }
        if world.links.is_cut(rt.host, host) || world.links.is_cut(host, rt.host) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let sockets = world.hosts[host].listeners.get(&address.port());
        let sockets = sockets.ok_or(io::ErrorKind::ConnectionRefused)?;
        let pick = world.random.below(sockets.len() as u64) as usize;
        Ok::<_, io::Error>(sockets[pick].clone())
    })?;
    let (near, far) = SimStream::pair(&rt, host, address);
    let wakers = backlog.with(|backlog| {
        backlog.waiting.push_back(far);
        std::mem::take(&mut backlog.wakers)
    });
    for waker in wakers {
        waker.wake();
    }
    Ok(near)
}
