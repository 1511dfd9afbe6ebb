//! One connection: five loops in one task, that end together.
//!
//! *read* takes frames from the socket while there is room; *work* starts them in order;
//! *finish* drives those that run beside each other; *stream* drives what sends without being asked
//! each time; *write* sends what is finished, in order. Consecutive Produces overlap; any other
//! request starts once the earlier ones have finished, but for those that concern streams.

use std::future::{poll_fn, ready};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::Monotonic;
use corelog_rt::{Credit, Runtime, Shared, Stream, timeout};
use futures_lite::future::{or, zip};

use super::door::Counters;
use super::frames::{Ended, Frames};
use super::lane::{End, Lane, Outgoing};
use super::options::{DRAIN_MAX, SEND_BYTES_MAX};
use super::pushes::Pushes;
use super::service::{Aside, Frame, Order, Reply, Response, Service, Started, Task};

pub(crate) struct Connection<R: Runtime> {
    pub(crate) rt: R,
    pub(crate) stream: R::Stream,
    pub(crate) lane: Lane,
    pub(crate) service: Box<dyn Service>,
    pub(crate) counters: Shared<Counters>,
}

impl<R: Runtime> Connection<R> {
    /// Serves until the peer goes, misbehaves, or the lane is ended; closes the socket.
    pub(crate) async fn serve(self, frames: Frames<R::Stream>) {
        let answers = async {
            zip(zip(self.lane.finish_running(), self.stream()), self.write()).await;
        };
        let mut answers = std::pin::pin!(answers);
        let requests = async {
            zip(self.read(frames), self.work()).await;
        };
        or(requests, answers.as_mut()).await;
        // After a drain, what was started is answered; otherwise nobody is there to answer.
        let flush = or(self.lane.all_sent(), answers);
        if timeout(&self.rt, DRAIN_MAX, flush).await.is_err() {
            tracing::warn!(peer = %self.stream.peer_addr(), "a connection was not drained in time");
        }
        self.stream.close();
    }

    async fn read(&self, mut frames: Frames<R::Stream>) {
        or(
            async {
                let ended = self.read_frames(&mut frames).await;
                self.note(&ended);
                self.lane.end(End::Gone);
            },
            async {
                self.lane.ended().await;
            },
        )
        .await;
    }

    async fn read_frames(&self, frames: &mut Frames<R::Stream>) -> Ended {
        loop {
            self.lane.may_read().await;
            self.unmuted().await;
            match frames.next().await {
                Ok(frame) => {
                    let bytes = frame.bytes.len() as u64;
                    self.counters.with(|c| c.received(bytes));
                    // A throttle that began while this frame arrived holds for it too.
                    self.unmuted().await;
                    match self.service.order(&frame.bytes) {
                        Order::Aside => self.aside(frame),
                        _ => self.lane.push(frame),
                    }
                }
                Err(ended) => return ended,
            }
        }
    }

    /// A request that has no place in the order is done when it is read: it neither waits for others
    /// nor holds them up.
    fn aside(&self, frame: Frame) {
        match self.service.aside(frame, Pushes(self.lane.clone())) {
            Aside::Nothing => {}
            Aside::Stream(task) => self.lane.stream(task),
            Aside::Reply(reply) => self.lane.finish_aside(reply),
        }
    }

    /// Waits while the connection is throttled.
    async fn unmuted(&self) {
        loop {
            let until = self.lane.muted_until();
            if until == Monotonic::default() {
                return;
            }
            let left = until.since(self.rt.now());
            if left.is_zero() {
                return;
            }
            self.rt.sleep(left).await;
        }
    }

    fn note(&self, ended: &Ended) {
        let peer = self.stream.peer_addr();
        match ended {
            Ended::Closed => {}
            Ended::Truncated => tracing::debug!(%peer, "a peer closed within a request"),
            Ended::Refused(why) => tracing::warn!(%peer, why, "no frame of a request: closed"),
            Ended::Io(error) => tracing::debug!(%peer, %error, "a connection failed"),
        }
    }

    /// Starts requests in order until no more come. Once the peer has gone, only those that
    /// overlap are started: a client may close right behind a Produce that wants no answer.
    async fn work(&self) {
        while let Some(frame) = self.lane.next_request().await {
            if self.service.order(&frame.bytes) == Order::Overlaps {
                match self.service.start(frame).await {
                    Started::Later(task) => self.lane.run(task),
                    Started::Done(reply) => self.lane.run(Box::pin(ready(reply))),
                }
                continue;
            }
            let alone = async {
                self.lane.earlier_finished().await;
                match self.service.start(frame).await {
                    Started::Done(reply) => reply,
                    Started::Later(task) => task.await,
                }
            };
            let ended = async { Err(self.lane.ended().await) };
            // The end first: of a thousand requests that a peer left behind, none is started.
            match or(ended, async { Ok(alone.await) }).await {
                Ok(reply) => self.lane.finish_taken(reply),
                Err(End::Gone) => self.lane.drop_taken(),
                // Its answer is missing, so none may follow the earlier ones.
                Err(End::Drained) => {
                    self.lane.drop_taken();
                    self.lane.run(Box::pin(ready(Reply::Close)));
                    return;
                }
            }
        }
    }

    /// Drives the streams, until each of them ends. Never returns.
    async fn stream(&self) {
        let mut running: Vec<Task<()>> = Vec::new();
        poll_fn(|cx| {
            self.lane.begun(cx, &mut running);
            running.retain_mut(|stream| stream.as_mut().poll(cx).is_pending());
            Poll::Pending
        })
        .await
    }

    /// Sends what is finished, in order, and together what became ready together. Returns never: a
    /// failed send closes the socket, which ends the reading, and with it the connection.
    async fn write(&self) {
        loop {
            let mut gathered = Gathered::default();
            let mut goes_on = true;
            for outgoing in self.lane.outgoing().await {
                match outgoing {
                    Outgoing::Response(response) => {
                        if !gathered.takes(&response) {
                            goes_on = self.send(std::mem::take(&mut gathered)).await;
                        }
                        gathered.push(response);
                    }
                    Outgoing::Close => {
                        self.send(std::mem::take(&mut gathered)).await;
                        goes_on = false;
                    }
                }
                if !goes_on {
                    break;
                }
            }
            if !goes_on || !self.send(gathered).await {
                self.lane.end(End::Gone);
                self.stream.close();
                return std::future::pending().await;
            }
            self.lane.sent();
        }
    }

    /// False if the socket is of no use any more.
    async fn send(&self, gathered: Gathered) -> bool {
        let Gathered {
            parts,
            bytes,
            count,
            credits,
            throttle,
        } = gathered;
        if count == 0 {
            return true;
        }
        for piece in pieces(parts) {
            self.lane.send_begins();
            if self.stream.send(piece).await.is_err() {
                return false;
            }
            self.lane.send_ends();
        }
        drop(credits);
        if !throttle.is_zero() {
            self.lane.mute(self.rt.now() + throttle);
        }
        self.counters.with(|c| c.sent(count, bytes));
        true
    }
}

/// Responses that leave by one send, and the memory that they pin until then.
#[derive(Default)]
struct Gathered {
    parts: Vec<Bytes>,
    bytes: u64,
    count: u64,
    credits: Vec<Credit>,
    /// The longest of theirs.
    throttle: Duration,
}

impl Gathered {
    /// Whether one send may carry this response, too.
    fn takes(&self, response: &Response) -> bool {
        self.count == 0 || self.bytes + response.bytes() <= SEND_BYTES_MAX
    }

    fn push(&mut self, response: Response) {
        self.bytes += response.bytes();
        self.count += 1;
        let Response {
            parts,
            credit,
            throttle,
        } = response;
        match self.count {
            1 => self.parts = parts,
            _ => self.parts.extend(parts),
        }
        self.credits.extend(credit);
        self.throttle = self.throttle.max(throttle);
    }
}

/// Cuts parts into pieces of at most [`SEND_BYTES_MAX`], without a copy.
fn pieces(parts: Vec<Bytes>) -> Vec<Vec<Bytes>> {
    let total: u64 = parts.iter().map(|part| part.len() as u64).sum();
    if total <= SEND_BYTES_MAX {
        return vec![parts];
    }
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let mut room = SEND_BYTES_MAX as usize;
    for mut part in parts {
        while part.len() > room {
            piece.push(part.split_to(room));
            pieces.push(std::mem::take(&mut piece));
            room = SEND_BYTES_MAX as usize;
        }
        room -= part.len();
        piece.push(part);
    }
    pieces.push(piece);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[usize], expected: &[usize]) {
        let parts: Vec<Bytes> = sizes.iter().map(|n| Bytes::from(vec![7; *n])).collect();
        let cut = pieces(parts);
        let found: Vec<usize> = cut
            .iter()
            .map(|piece| piece.iter().map(Bytes::len).sum())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn pieces_are_full_and_lose_nothing() {
        let max = SEND_BYTES_MAX as usize;
        check(&[5, 6], &[11]);
        check(&[max], &[max]);
        check(&[max + 1], &[max, 1]);
        check(&[10, 2 * max], &[max, max, 10]);
    }
}
