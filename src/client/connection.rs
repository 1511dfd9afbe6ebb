//! One connection to one broker: requests are pipelined, answers come in their order.
//!
//! Two tasks own the socket's halves. A caller hands a frame to the writer and waits for its turn
//! among the answers; dropping the wait drops the answer, never a piece of the stream. Whatever ends
//! the connection, every waiting call is told once.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use corelog_wire::kafka::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, Encoder, ErrorCode, Message, Request,
    ResponseHeader, frame_bytes,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::{Error, Kind, Options, Reply, Versions};

/// How much room is made for an answer at a time: its claimed length is not believed.
const READ_STEP_BYTES: usize = 1 << 20;
const WRITE_BUFFER_BYTES: usize = 64 << 10;

/// A request of any API, so that what is done with requests is compiled once and not for each.
pub trait AnyRequest: Sync {
    fn api(&self) -> ApiKey;
    /// Writes the body; see [`Message::encode`].
    fn encode(&self, version: i16, encoder: &mut Encoder);
}

impl<'a, R: Request<'a> + Sync> AnyRequest for R {
    fn api(&self) -> ApiKey {
        R::API
    }

    fn encode(&self, version: i16, encoder: &mut Encoder) {
        Message::encode(self, version, encoder);
    }
}

/// A connection with its negotiated versions. Clones share it.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    versions: Arc<Versions>,
}

#[derive(Debug)]
struct Shared {
    address: String,
    client_id: String,
    request_timeout: Duration,
    correlation: AtomicI32,
    frames: mpsc::Sender<Frame>,
    in_flight: Arc<Semaphore>,
    waiting: Arc<Waiting>,
    tasks: [AbortHandle; 2],
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// A request on its way to the socket. Without `answer`, none will come (acks=0).
#[derive(Debug)]
struct Frame {
    parts: Vec<Bytes>,
    answer: Option<Answer>,
}

/// Who waits for which answer.
#[derive(Debug)]
struct Answer {
    api: ApiKey,
    version: i16,
    correlation: i32,
    to: oneshot::Sender<Result<Bytes, Error>>,
    _permit: OwnedSemaphorePermit,
}

/// The calls that wait, in the order of their answers; an error once the connection has ended.
#[derive(Debug, Default)]
struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    answers: VecDeque<Answer>,
    ended: Option<Error>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, answer: Answer) -> Result<(), Error> {
        let mut queue = self.lock();
        if let Some(error) = &queue.ended {
            let error = error.clone();
            let _ = answer.to.send(Err(error.clone()));
            return Err(error);
        }
        queue.answers.push_back(answer);
        Ok(())
    }

    fn end(&self, error: Error) {
        let mut queue = self.lock();
        let error = queue.ended.get_or_insert(error).clone();
        for answer in queue.answers.drain(..) {
            let _ = answer.to.send(Err(error.clone()));
        }
    }
}

impl Connection {
    /// Connects and learns what the broker speaks. `address` is `HOST:PORT`.
    ///
    /// # Errors
    /// `Connect`, or what ends the first call.
    pub async fn open(address: &str, options: &Options) -> Result<Self, Error> {
        let failed = |error| Error::with(Kind::Connect, format!("connect to {address}"), error);
        let stream = timeout(options.connect_timeout, TcpStream::connect(address))
            .await
            .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let mut connection = Self {
            shared: Arc::new(Shared::start(address, stream, options)),
            versions: Arc::default(),
        };
        connection.versions = Arc::new(connection.negotiate().await?);
        Ok(connection)
    }

    /// Asks for versions: at our newest, and if that is too new, at the one that the broker says.
    async fn negotiate(&self) -> Result<Versions, Error> {
        let request = ApiVersionsRequest {
            client_software_name: "corelog",
            client_software_version: env!("CARGO_PKG_VERSION"),
        };
        let mut version = *ApiKey::ApiVersions.versions().end();
        loop {
            let mut reply = self.call_at(version, &request, Duration::ZERO).await?;
            // The refusal of a version is written at version 0.
            let refused =
                reply.body.get(..2) == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes());
            if refused {
                reply.version = 0;
            }
            let response: ApiVersionsResponse<'_> = reply.read()?;
            let versions = Versions::of(&response);
            if !refused {
                crate::error::check(response.error_code, None, || {
                    format!("negotiate versions with {}", self.shared.address)
                })?;
                return Ok(versions);
            }
            if version == 0 {
                let context = format!(
                    "{} refuses every version of ApiVersions",
                    self.shared.address
                );
                return Err(Error::new(Kind::Unsupported, context));
            }
            // Brokers before 2.4 refuse without saying their range: version 0 always works.
            let best = versions.pick(ApiKey::ApiVersions, 0..=version - 1);
            version = best.unwrap_or(0);
        }
    }

    pub fn address(&self) -> &str {
        &self.shared.address
    }

    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    pub fn is_ended(&self) -> bool {
        self.shared.waiting.lock().ended.is_some()
    }

    /// Asks, at the highest version of `range` that both sides know, and waits for the answer for
    /// `wait` (what the request itself lets the broker wait) and the request timeout. A call that
    /// times out ends the connection: later answers would wait behind it.
    ///
    /// Cancel-safe: the request may have its effect, the connection stays usable.
    ///
    /// # Errors
    /// `Unsupported`, `Disconnected`, `TimedOut`, `Protocol`.
    pub async fn call(
        &self,
        range: RangeInclusive<i16>,
        request: &dyn AnyRequest,
        wait: Duration,
    ) -> Result<Reply, Error> {
        let version = self.versions.pick(request.api(), range)?;
        self.call_at(version, request, wait).await
    }

    async fn call_at(
        &self,
        version: i16,
        request: &dyn AnyRequest,
        wait: Duration,
    ) -> Result<Reply, Error> {
        let api = request.api();
        let (correlation, parts) = self.encode(version, request)?;
        let limit = wait.saturating_add(self.shared.request_timeout);
        match timeout(limit, self.exchange(api, version, correlation, parts)).await {
            Ok(body) => Ok(Reply {
                version,
                body: body?,
            }),
            Err(_) => {
                let context = format!("{} did not answer {api:?} in time", self.address());
                let error = Error::new(Kind::TimedOut, context);
                self.shared.waiting.end(error.clone());
                self.shared.tasks.iter().for_each(AbortHandle::abort);
                Err(error)
            }
        }
    }

    async fn exchange(
        &self,
        api: ApiKey,
        version: i16,
        correlation: i32,
        parts: Vec<Bytes>,
    ) -> Result<Bytes, Error> {
        let permit = Arc::clone(&self.shared.in_flight)
            .acquire_owned()
            .await
            .map_err(|_| self.disconnected())?;
        let (to, from) = oneshot::channel();
        let answer = Answer {
            api,
            version,
            correlation,
            to,
            _permit: permit,
        };
        let answer = Some(answer);
        let sent = self.shared.frames.send(Frame { parts, answer }).await;
        sent.map_err(|_| self.disconnected())?;
        from.await.unwrap_or_else(|_| Err(self.disconnected()))
    }

    /// Sends a request that has no answer: Produce with acks=0. Returns when it is queued.
    ///
    /// # Errors
    /// `Unsupported`, `Disconnected`.
    pub async fn send(
        &self,
        range: RangeInclusive<i16>,
        request: &dyn AnyRequest,
    ) -> Result<(), Error> {
        let version = self.versions.pick(request.api(), range)?;
        let (_, parts) = self.encode(version, request)?;
        let answer = None;
        let sent = self.shared.frames.send(Frame { parts, answer }).await;
        sent.map_err(|_| self.disconnected())
    }

    /// A frame, and what its answer will be known by.
    fn encode(&self, version: i16, request: &dyn AnyRequest) -> Result<(i32, Vec<Bytes>), Error> {
        let correlation = self.shared.correlation.fetch_add(1, Ordering::Relaxed);
        let client_id = Some(self.shared.client_id.as_str());
        let mut encoder = Encoder::request(request.api(), version, correlation, client_id);
        request.encode(version, &mut encoder);
        let parts = encoder.finish().map_err(|error| {
            let context = format!("write a request of {:?}", request.api());
            Error::with(Kind::Invalid, context, error)
        })?;
        Ok((correlation, parts))
    }

    /// Why the connection has ended.
    fn disconnected(&self) -> Error {
        let ended = self.shared.waiting.lock().ended.clone();
        ended.unwrap_or_else(|| ended_by(&self.shared.address, None))
    }
}

fn ended_by(address: &str, error: Option<io::Error>) -> Error {
    let context = format!("the connection to {address} ended");
    match error {
        Some(error) => Error::with(Kind::Disconnected, context, error),
        None => Error::new(Kind::Disconnected, context),
    }
}

impl Shared {
    fn start(address: &str, stream: TcpStream, options: &Options) -> Self {
        let (read, write) = stream.into_split();
        let (frames, queue) = mpsc::channel(options.in_flight_max.max(1));
        let waiting = Arc::new(Waiting::default());
        let writer = Writer {
            socket: BufWriter::with_capacity(WRITE_BUFFER_BYTES, write),
            queue,
            waiting: Arc::clone(&waiting),
        };
        let reader = Reader {
            socket: read,
            waiting: Arc::clone(&waiting),
            frame_bytes_max: options.frame_bytes_max,
        };
        let name = address.to_string();
        let write_task = tokio::spawn(ending(name.clone(), Arc::clone(&waiting), writer.run()));
        let read_task = tokio::spawn(ending(name, Arc::clone(&waiting), reader.run()));
        Self {
            address: address.to_string(),
            client_id: options.client_id.clone(),
            request_timeout: options.request_timeout,
            correlation: AtomicI32::new(0),
            frames,
            in_flight: Arc::new(Semaphore::new(options.in_flight_max.max(1))),
            waiting,
            tasks: [write_task.abort_handle(), read_task.abort_handle()],
        }
    }
}

/// Runs one half; when it ends, so does the connection.
async fn ending(
    address: String,
    waiting: Arc<Waiting>,
    half: impl Future<Output = Result<(), Error>>,
) {
    let error = match half.await {
        Ok(()) => ended_by(&address, None),
        Err(error) => error.of(address),
    };
    waiting.end(error);
}

struct Writer {
    socket: BufWriter<OwnedWriteHalf>,
    queue: mpsc::Receiver<Frame>,
    waiting: Arc<Waiting>,
}

impl Writer {
    async fn run(mut self) -> Result<(), Error> {
        while let Some(frame) = self.queue.recv().await {
            self.write(frame).await?;
            while let Ok(frame) = self.queue.try_recv() {
                self.write(frame).await?;
            }
            self.socket.flush().await.map_err(broken)?;
        }
        Ok(())
    }

    async fn write(&mut self, frame: Frame) -> Result<(), Error> {
        // Whoever waits stands in the queue before the broker can answer.
        if let Some(answer) = frame.answer {
            self.waiting.push(answer)?;
        }
        for part in frame.parts {
            self.socket.write_all(&part).await.map_err(broken)?;
        }
        Ok(())
    }
}

struct Reader {
    socket: OwnedReadHalf,
    waiting: Arc<Waiting>,
    frame_bytes_max: usize,
}

impl Reader {
    async fn run(mut self) -> Result<(), Error> {
        let mut buffer = BytesMut::new();
        loop {
            let mut frame = self.frame(&mut buffer).await?;
            let Some(answer) = self.waiting.lock().answers.pop_front() else {
                return Err(Error::new(Kind::Protocol, "an answer to nothing came"));
            };
            let header = ResponseHeader::decode(answer.api, answer.version, &frame)
                .map(|(header, body)| (header.correlation_id, body.len()));
            let result = match header {
                Ok((correlation, body_bytes)) if correlation == answer.correlation => {
                    frame.advance(frame.len() - body_bytes);
                    Ok(frame)
                }
                Ok(_) => Err(Error::new(Kind::Protocol, "the answers are out of order")),
                Err(error) => Err(error.into()),
            };
            let end = result.as_ref().err().cloned();
            let _ = answer.to.send(result);
            if let Some(error) = end {
                return Err(error);
            }
        }
    }

    /// Reads one whole frame, without its length.
    async fn frame(&mut self, buffer: &mut BytesMut) -> Result<Bytes, Error> {
        self.fill(buffer, 4).await?;
        let mut prefix = [0; 4];
        buffer.copy_to_slice(&mut prefix);
        let length = frame_bytes(prefix, self.frame_bytes_max)?;
        self.fill(buffer, length).await?;
        Ok(buffer.split_to(length).freeze())
    }

    async fn fill(&mut self, buffer: &mut BytesMut, length: usize) -> Result<(), Error> {
        while buffer.len() < length {
            buffer.reserve((length - buffer.len()).min(READ_STEP_BYTES));
            if self.socket.read_buf(buffer).await.map_err(broken)? == 0 {
                let what = "the broker closed the connection";
                return Err(Error::new(Kind::Disconnected, what));
            }
        }
        Ok(())
    }
}

fn broken(error: io::Error) -> Error {
    Error::with(Kind::Disconnected, "the connection broke", error)
}
