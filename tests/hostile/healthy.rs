//! A client that does nothing wrong, and how long it waits.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelog_faults::pause;
use corelog_record::Codec;
use corelog_wire::kafka::{
    ErrorCode, FetchResponse, MetadataRequest, MetadataResponse, ProduceResponse,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Socket;
use crate::request::{FETCH, PRODUCE, batch, fetch, produce};

pub(crate) const TOPIC: &str = "healthy";
const METADATA: i16 = 9;
const BETWEEN: Duration = Duration::from_millis(2);
/// A metadata request for so many records.
const METADATA_EVERY: u64 = 4;

/// Times of one kind of request.
#[derive(Clone, Default, Debug)]
pub struct Waits(Vec<Duration>);

/// What the client waited for.
#[derive(Clone, Default, Debug)]
pub struct Latency {
    pub produce: Waits,
    pub fetch: Waits,
    pub metadata: Waits,
    /// Requests that failed, and the first error.
    pub failed: u64,
    pub error: Option<String>,
}

impl Waits {
    fn add(&mut self, began: Instant) {
        self.0.push(began.elapsed());
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// At most this for so many of thousand; zero without any.
    pub fn per_mille(&self, per_mille: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * per_mille).div_ceil(1000).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }
}

/// A client at work on the topic `healthy`, which it has for itself.
pub struct Healthy {
    seen: Arc<Mutex<Latency>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<u64>,
}

impl Healthy {
    /// On one core of the broker or another, as the kernel decides.
    pub fn start(port: u16) -> Self {
        let seen = Arc::new(Mutex::new(Latency::default()));
        let (stop, stopped) = watch::channel(false);
        let worker = Worker {
            port,
            seen: Arc::clone(&seen),
            acknowledged: 0,
        };
        Self {
            seen,
            stop,
            task: tokio::spawn(worker.run(stopped)),
        }
    }

    /// What was measured since the last call.
    pub fn take(&self) -> Latency {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends it; the number of records that were acknowledged.
    ///
    /// # Errors
    /// If the client itself failed.
    pub async fn stop(self) -> Result<u64, String> {
        let _ = self.stop.send(true);
        self.task.await.map_err(|e| format!("healthy client: {e}"))
    }
}

struct Worker {
    port: u16,
    seen: Arc<Mutex<Latency>>,
    acknowledged: u64,
}

impl Worker {
    async fn run(mut self, stopped: watch::Receiver<bool>) -> u64 {
        while !*stopped.borrow() {
            if let Err(error) = self.work(&stopped).await {
                self.note(|seen| {
                    seen.failed += 1;
                    seen.error.get_or_insert(error.to_string());
                });
                pause(BETWEEN * 10).await;
            }
        }
        self.acknowledged
    }

    fn note(&self, add: impl FnOnce(&mut Latency)) {
        add(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Over one connection, until it ends.
    async fn work(&mut self, stopped: &watch::Receiver<bool>) -> io::Result<()> {
        let mut socket = Socket::connect(self.port).await?;
        while !*stopped.borrow() {
            let began = Instant::now();
            let offset = self.produce(&mut socket).await?;
            self.note(|seen| seen.produce.add(began));
            self.acknowledged += 1;
            let began = Instant::now();
            read_back(&mut socket, offset).await?;
            self.note(|seen| seen.fetch.add(began));
            if self.acknowledged.is_multiple_of(METADATA_EVERY) {
                let began = Instant::now();
                metadata(&mut socket).await?;
                self.note(|seen| seen.metadata.add(began));
            }
            pause(BETWEEN).await;
        }
        Ok(())
    }

    async fn produce(&self, socket: &mut Socket) -> io::Result<i64> {
        let request = produce(TOPIC, 0, batch(Codec::None, &value(self.acknowledged)));
        let body = socket.ask(PRODUCE, &request).await?;
        let (code, offset) = produced(&body)?;
        match code {
            ErrorCode::NONE => Ok(offset),
            code => Err(io::Error::other(format!("produce: {code:?}"))),
        }
    }
}

fn value(number: u64) -> Bytes {
    let mut value = vec![7; 256];
    value.extend_from_slice(&number.to_be_bytes());
    value.into()
}

/// The code and the offset of the one partition of an answer.
pub(crate) fn produced(body: &Bytes) -> io::Result<(ErrorCode, i64)> {
    let response = ProduceResponse::decode(PRODUCE, body).map_err(io::Error::other)?;
    let topic = response.responses.first();
    let partition = topic.and_then(|topic| topic.partition_responses.first());
    let partition = partition.ok_or_else(|| io::Error::other("an answer without a partition"))?;
    Ok((partition.error_code, partition.base_offset))
}

async fn read_back(socket: &mut Socket, offset: i64) -> io::Result<()> {
    let request = fetch(TOPIC, 0, offset, 4096);
    let body = socket.ask(FETCH, &request).await?;
    let (code, bytes, _) = fetched(&body)?;
    if code != ErrorCode::NONE || bytes == 0 {
        return Err(io::Error::other(format!(
            "fetch at {offset}: {code:?}, {bytes} bytes"
        )));
    }
    Ok(())
}

/// The code, the bytes and the high watermark of the one partition of an answer.
pub(crate) fn fetched(body: &Bytes) -> io::Result<(ErrorCode, usize, i64)> {
    let response = FetchResponse::decode(FETCH, body).map_err(io::Error::other)?;
    let topic = response.responses.first();
    let partition = topic.and_then(|topic| topic.partitions.first());
    let partition = partition.ok_or_else(|| io::Error::other("an answer without a partition"))?;
    let bytes = partition.records.bytes().unwrap_or_default().len();
    Ok((partition.error_code, bytes, partition.high_watermark))
}

async fn metadata(socket: &mut Socket) -> io::Result<()> {
    // No topics at all: who the cluster is.
    let request = MetadataRequest {
        topics: Some(Vec::new().into()),
        ..Default::default()
    };
    let body = socket.ask(METADATA, &request).await?;
    let response = MetadataResponse::decode(METADATA, &body).map_err(io::Error::other)?;
    match response.brokers.len() {
        0 => Err(io::Error::other("metadata without a broker")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_seen() {
        let waits = Waits((1..=200).map(Duration::from_millis).collect());
        assert_eq!(waits.per_mille(500), Duration::from_millis(100));
        assert_eq!(waits.per_mille(990), Duration::from_millis(198));
        assert_eq!(waits.per_mille(1000), Duration::from_millis(200));
        assert_eq!(Waits::default().per_mille(990), Duration::ZERO);
    }
}
