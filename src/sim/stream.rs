//! Connected sockets: two pipes, each with a sender, a receiver, and bytes on their way.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use corelog_rt::{Shared, Stream};

use crate::executor::Sim;
use crate::runtime::SimRuntime;
use crate::world::{Event, Queue};

/// What both ends buffer for one direction.
const PIPE_BYTES: usize = 256 << 10;

#[derive(Default)]
struct Pipe {
    from: usize,
    to: usize,
    /// Sent and not arrived; None is the end.
    underway: Queue<Option<Bytes>>,
    underway_bytes: usize,
    arrived: BytesMut,
    sender_closed: bool,
    /// The end has arrived.
    ended: bool,
    receiver_closed: bool,
    sender: Option<Waker>,
    receiver: Option<Waker>,
}

impl Pipe {
    fn room(&self) -> usize {
        PIPE_BYTES.saturating_sub(self.underway_bytes + self.arrived.len())
    }

    fn wakers(&mut self) -> [Option<Waker>; 2] {
        [self.sender.take(), self.receiver.take()]
    }
}

fn wake(wakers: impl IntoIterator<Item = Option<Waker>>) {
    for waker in wakers.into_iter().flatten() {
        waker.wake();
    }
}

/// One end of a connection.
#[derive(Clone)]
struct End {
    sim: Sim,
    out: Shared<Pipe>,
    into: Shared<Pipe>,
}

/// What handles share; the last one closes the end.
struct Socket {
    end: End,
    peer: SocketAddr,
}

#[derive(Clone)]
pub struct SimStream(Rc<Socket>);

impl SimStream {
    /// Both ends: of the one who connects, and of the host that listens.
    pub(crate) fn pair(rt: &SimRuntime, host: usize, address: SocketAddr) -> (Self, Self) {
        let pipe = |from, to| {
            Shared::new(Pipe {
                from,
                to,
                ..Pipe::default()
            })
        };
        let (there, back) = (pipe(rt.host, host), pipe(host, rt.host));
        let port = rt.sim.0.with(|world| world.random.below(20_000)) as u16 + 1024;
        let ip = match address.ip().is_loopback() {
            true => Ipv4Addr::LOCALHOST,
            false => host_address(rt.host),
        };
        let sim = &rt.sim;
        let end = |out: &Shared<Pipe>, into: &Shared<Pipe>| End {
            sim: sim.clone(),
            out: out.clone(),
            into: into.clone(),
        };
        let near = Socket {
            end: end(&there, &back),
            peer: address,
        };
        let far = Socket {
            end: end(&back, &there),
            peer: SocketAddr::from((ip, port)),
        };
        (Self(Rc::new(near)), Self(Rc::new(far)))
    }
}

/// 10.0.0.1 is the first host.
pub(crate) fn host_address(host: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from_be_bytes([10, 0, 0, 1]) + host as u32)
}

impl End {
    fn close(&self) {
        let first = self.out.with(|pipe| {
            let first = !std::mem::replace(&mut pipe.sender_closed, true);
            if first {
                pipe.underway.push_back(None);
            }
            first
        });
        if first {
            carry(&self.sim, &self.out);
        }
        let out = self.out.with(Pipe::wakers);
        let into = self.into.with(|pipe| {
            pipe.receiver_closed = true;
            pipe.wakers()
        });
        wake(out.into_iter().chain(into));
    }

    /// Takes some of `part` on its way; what was taken is cut off.
    fn push(&self, part: &mut Bytes, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        let most = self.sim.0.with(|world| match world.random.chance(100) {
            true => 1 + world.random.below(1000) as usize,
            false => 64 << 10,
        });
        let taken = self.out.with(|pipe| {
            if pipe.sender_closed || pipe.receiver_closed {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let count = pipe.room().min(part.len()).min(most);
            if count == 0 {
                pipe.sender = Some(cx.waker().clone());
                return Poll::Pending;
            }
            // Copied, as a kernel does: the sender's parts are its own again.
            let chunk = Bytes::copy_from_slice(&part.split_to(count));
            pipe.underway_bytes += count;
            pipe.underway.push_back(Some(chunk));
            Poll::Ready(Ok(()))
        });
        if let Poll::Ready(Ok(())) = taken {
            carry(&self.sim, &self.out);
        }
        taken
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.end.close();
    }
}

/// The next thing underway arrives after a while, once the way is open. Things arrive in order:
/// whichever call comes first takes the first.
fn carry(sim: &Sim, pipe: &Shared<Pipe>) {
    let pipe = pipe.clone();
    sim.0.with(|world| {
        let delay = world.latency(5, 60);
        world.after(delay, Event::Call(Box::new(move |sim| arrive(sim, pipe))))
    });
}

fn arrive(sim: &Sim, pipe: Shared<Pipe>) {
    let (from, to) = pipe.with(|pipe| (pipe.from, pipe.to));
    if sim.links(|links| links.is_cut(from, to) || links.is_cut(to, from)) {
        // TCP tries again.
        let again = Event::Call(Box::new(move |sim: &Sim| arrive(sim, pipe)));
        sim.0
            .with(|world| world.after(Duration::from_millis(50), again));
        return;
    }
    let receiver = pipe.with(|pipe| {
        match pipe.underway.pop_front() {
            Some(Some(chunk)) => {
                pipe.underway_bytes -= chunk.len();
                pipe.arrived.extend_from_slice(&chunk);
            }
            Some(None) => pipe.ended = true,
            None => {}
        }
        pipe.receiver.take()
    });
    wake([receiver]);
}

impl Stream for SimStream {
    fn peer_addr(&self) -> SocketAddr {
        self.0.peer
    }

    fn recv(
        &self,
        mut buf: BytesMut,
    ) -> impl Future<Output = (io::Result<usize>, BytesMut)> + 'static {
        let (sim, pipe) = (self.0.end.sim.clone(), self.0.end.into.clone());
        async move {
            let room = buf.capacity() - buf.len();
            assert!(room > 0, "a receive needs room");
            let short = sim.0.with(|world| world.random.chance(100));
            let got = poll_fn(|cx| {
                pipe.with(|pipe| {
                    if pipe.receiver_closed {
                        return Poll::Ready(BytesMut::new());
                    }
                    if pipe.arrived.is_empty() && !pipe.ended {
                        pipe.receiver = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                    let most = if short { room.min(7) } else { room };
                    let count = pipe.arrived.len().min(most);
                    Poll::Ready(pipe.arrived.split_to(count))
                })
            })
            .await;
            let sender = pipe.with(|pipe| pipe.sender.take());
            wake([sender]);
            buf.put_slice(&got);
            (Ok(got.len()), buf)
        }
    }

    fn send(&self, parts: Vec<Bytes>) -> impl Future<Output = io::Result<()>> + 'static {
        // Not a handle: a send that hangs does not keep the socket open.
        let end = self.0.end.clone();
        async move {
            for mut part in parts {
                while !part.is_empty() {
                    poll_fn(|cx| end.push(&mut part, cx)).await?;
                }
            }
            Ok(())
        }
    }

    fn close(&self) {
        self.0.end.close();
    }
}
