//! The two halves of one socket: frames go out as they are posted, answers go to who waits for them.
//!
//! A frame is written by whoever posts it, as far as the kernel takes it; what is left, a task
//! writes. Another task reads and hands each answer over on the spot. Whatever ends the link,
//! everyone who waits is told once.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use corelog_wire::native::v1::MetadataRequest;
use corelog_wire::native::{HEADER_BYTES, Header, Limits, META_BYTES_MAX, encode};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::options::Options;
use crate::reply::Reply;
use crate::{Error, Kind};

/// How much room is made for a frame at a time: its claimed length is not believed.
const READ_STEP_BYTES: usize = 1 << 20;
/// Parts of frames that go to the kernel at once.
const GATHER_MAX: usize = 64;

/// Takes the one answer of a request.
pub(crate) type Once = Box<dyn FnOnce(Result<Reply, Error>) + Send>;
/// Takes every answer of a request that has many.
pub(crate) type Many = Arc<dyn Fn(Result<Reply, Error>) + Send + Sync>;

enum Waiter {
    Once(Once),
    Many(Many),
}

#[derive(Default)]
struct Waiting {
    by_correlation: HashMap<u64, Waiter>,
    ended: Option<Error>,
}

/// What the tasks and the callers share.
struct Core {
    address: String,
    waiting: Mutex<Waiting>,
    correlation: AtomicU64,
    /// Frames that have come.
    received: AtomicU64,
    write: OwnedWriteHalf,
    queue: Mutex<VecDeque<Bytes>>,
    /// Something is left in the queue.
    left: Notify,
}

pub(crate) struct Link {
    core: Arc<Core>,
    tasks: [AbortHandle; 2],
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.core.end(ended_by(&self.core.address));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ended_by(address: &str) -> Error {
    let context = format!("the connection to {address} ended");
    Error::new(Kind::Disconnected, context)
}

impl Link {
    pub(crate) fn start(
        address: &str,
        stream: TcpStream,
        options: &Options,
        runtime: &Handle,
    ) -> Self {
        let (read, write) = stream.into_split();
        let core = Arc::new(Core {
            address: address.to_owned(),
            waiting: Mutex::default(),
            correlation: AtomicU64::new(1),
            received: AtomicU64::new(0),
            write,
            queue: Mutex::default(),
            left: Notify::new(),
        });
        let reader = Reader {
            core: Arc::clone(&core),
            socket: read,
            buffer: BytesMut::new(),
            limits: Limits {
                meta_bytes_max: META_BYTES_MAX,
                payload_bytes_max: options.payload_bytes_max,
            },
        };
        let (writing, reading) = (Arc::clone(&core), Arc::clone(&core));
        let keep_alive = options.keep_alive;
        let writer = runtime.spawn(async move {
            let ended = writing.tend(keep_alive).await;
            writing.end(ended);
        });
        let reader = runtime.spawn(async move {
            let ended = reader.run().await;
            reading.end(ended);
        });
        Self {
            core,
            tasks: [writer.abort_handle(), reader.abort_handle()],
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.core.address
    }

    pub(crate) fn ended(&self) -> Option<Error> {
        lock(&self.core.waiting).ended.clone()
    }

    pub(crate) fn end(&self, error: Error) {
        self.core.end(error);
    }

    pub(crate) fn correlation(&self) -> u64 {
        self.core.correlation.fetch_add(1, Ordering::Relaxed)
    }

    /// Posts a request. `answer` is called once, whatever happens, maybe before this returns.
    pub(crate) fn ask(&self, correlation: u64, parts: Vec<Bytes>, answer: Once) {
        self.core.ask(correlation, parts, Waiter::Once(answer));
    }

    /// Posts a request with many answers; the last one has no [`Reply::has_more`], or is an error.
    pub(crate) fn ask_many(&self, correlation: u64, parts: Vec<Bytes>, answers: Many) {
        self.core.ask(correlation, parts, Waiter::Many(answers));
    }

    /// Posts what has no answer.
    pub(crate) fn tell(&self, parts: Vec<Bytes>) {
        self.core.post(parts);
    }

    /// No answer to this request is wanted any more.
    pub(crate) fn forget(&self, correlation: u64) {
        lock(&self.core.waiting).by_correlation.remove(&correlation);
    }
}

impl Core {
    fn ask(&self, correlation: u64, parts: Vec<Bytes>, waiter: Waiter) {
        let mut waiting = lock(&self.waiting);
        if let Some(error) = waiting.ended.clone() {
            drop(waiting);
            return waiter.tell(Err(error));
        }
        // Who waits is known before the answer can come.
        waiting.by_correlation.insert(correlation, waiter);
        drop(waiting);
        self.post(parts);
    }

    fn post(&self, parts: Vec<Bytes>) {
        let mut queue = lock(&self.queue);
        let idle = queue.is_empty();
        queue.extend(parts.into_iter().filter(|part| !part.is_empty()));
        // Behind what is left over, the task writes: order is kept.
        let written = idle && self.drain(&mut queue).unwrap_or(false);
        drop(queue);
        if !written {
            self.left.notify_one();
        }
    }

    /// Whether the kernel took all.
    fn drain(&self, queue: &mut VecDeque<Bytes>) -> io::Result<bool> {
        while !queue.is_empty() {
            let slices = queue.iter().take(GATHER_MAX);
            let slices: Vec<IoSlice<'_>> = slices.map(|part| IoSlice::new(part)).collect();
            let mut count = match self.write.try_write_vectored(&slices) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            while let Some(first) = queue.front_mut() {
                if count < first.len() {
                    first.advance(count);
                    break;
                }
                count -= first.len();
                queue.pop_front();
            }
        }
        Ok(true)
    }

    fn end(&self, error: Error) {
        let mut waiting = lock(&self.waiting);
        let error = waiting.ended.get_or_insert(error).clone();
        let all = std::mem::take(&mut waiting.by_correlation);
        drop(waiting);
        for waiter in all.into_values() {
            waiter.tell(Err(error.clone()));
        }
    }

    /// Writes what posting left over, and asks whether the broker is there when it is silent.
    async fn tend(&self, keep_alive: Duration) -> Error {
        let mut tick = interval(keep_alive.max(Duration::from_millis(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut asked) = (0, false);
        loop {
            tokio::select! {
                () = self.left.notified() => match self.write_left().await {
                    Ok(()) => {}
                    Err(error) => return self.broken(error),
                },
                _ = tick.tick() => {
                    let received = self.received.load(Ordering::Relaxed);
                    let silent = std::mem::replace(&mut seen, received) == received;
                    if !silent || lock(&self.waiting).by_correlation.is_empty() {
                        asked = false;
                    } else if asked {
                        let context = format!("{} has been silent", self.address);
                        return Error::new(Kind::TimedOut, context);
                    } else {
                        asked = true;
                        self.ping();
                    }
                }
            }
        }
    }

    async fn write_left(&self) -> io::Result<()> {
        loop {
            self.write.writable().await?;
            if self.drain(&mut lock(&self.queue))? {
                return Ok(());
            }
        }
    }

    fn ping(&self) {
        let nothing = MetadataRequest {
            topics: Some(Vec::new()),
            create: false,
        };
        let correlation = self.correlation.fetch_add(1, Ordering::Relaxed);
        if let Ok(parts) = encode(correlation, 0, &nothing, Vec::new()) {
            self.ask(correlation, parts, Waiter::Once(Box::new(drop)));
        }
    }

    fn broken(&self, error: io::Error) -> Error {
        let context = format!("the connection to {} broke", self.address);
        Error::with(Kind::Disconnected, context, error)
    }
}

impl Waiter {
    fn tell(self, answer: Result<Reply, Error>) {
        match self {
            Self::Once(once) => once(answer),
            Self::Many(many) => many(answer),
        }
    }
}

struct Reader {
    core: Arc<Core>,
    socket: OwnedReadHalf,
    buffer: BytesMut,
    limits: Limits,
}

impl Reader {
    async fn run(mut self) -> Error {
        loop {
            match self.frame().await {
                Ok(reply) => self.hand_over(reply),
                Err(error) => return error,
            }
        }
    }

    async fn frame(&mut self) -> Result<Reply, Error> {
        self.fill(HEADER_BYTES).await?;
        let header = Header::parse(&self.buffer, self.limits)?;
        if !header.is_response() {
            let context = format!("{} asks, where it should answer", self.core.address);
            return Err(Error::new(Kind::Protocol, context));
        }
        let bytes = header.frame_bytes();
        self.fill(bytes).await?;
        self.core.received.fetch_add(1, Ordering::Relaxed);
        Reply::of(header, self.buffer.split_to(bytes).freeze())
    }

    async fn fill(&mut self, bytes: usize) -> Result<(), Error> {
        while self.buffer.len() < bytes {
            let missing = bytes - self.buffer.len();
            self.buffer.reserve(missing.clamp(4096, READ_STEP_BYTES));
            let read = self.socket.read_buf(&mut self.buffer).await;
            if read.map_err(|error| self.core.broken(error))? == 0 {
                return Err(ended_by(&self.core.address));
            }
        }
        Ok(())
    }

    fn hand_over(&self, reply: Reply) {
        let correlation = reply.meta.header().correlation;
        let mut waiting = lock(&self.core.waiting);
        let many = match waiting.by_correlation.get(&correlation) {
            Some(Waiter::Many(many)) if reply.has_more() => Some(Arc::clone(many)),
            _ => None,
        };
        let waiter = match many {
            Some(many) => Some(Waiter::Many(many)),
            // Nobody, where the answer was forgotten.
            None => waiting.by_correlation.remove(&correlation),
        };
        drop(waiting);
        if let Some(waiter) = waiter {
            waiter.tell(Ok(reply));
        }
    }
}
