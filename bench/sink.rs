//! A broker that keeps nothing: it speaks enough of either protocol to be produced to, and answers
//! when it is told to. What is measured against it is the generator and the loopback alone; with
//! answers at known moments, it checks what the generator reports.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use corelog_base::Monotonic;
use corelog_wire::kafka::{
    ApiKey, ApiVersion, ApiVersionsResponse, DescribeConfigsResponse, Encoder,
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse, MetadataRequest, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, RequestHeader, TopicProduceResponse, frame_bytes,
};
use corelog_wire::native::{Api, HEADER_BYTES, Header};

use crate::{Error, Kind, clock, sink_native};

const FRAME_BYTES_MAX: usize = 128 << 20;
const PARTITIONS: i32 = 64;
const NODE: i32 = 1;

/// When a Produce request that came at a moment is answered. Answers keep their order.
pub(crate) type AnswerAt = Arc<dyn Fn(Monotonic) -> Monotonic + Send + Sync>;

/// Serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Sink {
    /// Answers at once without `answer_at`.
    pub(crate) fn start(answer_at: Option<AnswerAt>) -> Result<Self, Error> {
        let failed = |error| Error::io("serve the sink")(error);
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = ended.clone();
        let accept = move || {
            let streams = listener.incoming().map_while(Result::ok);
            for stream in streams.take_while(|_| !told.load(Ordering::Acquire)) {
                let answer_at = answer_at.clone();
                // A connection ends when its client closes it; nobody waits for that.
                std::thread::spawn(move || Peer { stream, address }.serve(answer_at));
            }
        };
        Ok(Self {
            address,
            ended,
            accepting: Some(std::thread::spawn(accept)),
        })
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Wakes the thread that accepts, so that it looks.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(accepting) = self.accepting.take()
            && woken
        {
            // It cannot be told to anybody here if it panicked.
            let _ = accepting.join();
        }
    }
}

struct Peer {
    stream: TcpStream,
    address: SocketAddr,
}

type Due = (Monotonic, Vec<u8>);

impl Peer {
    /// Until the client closes, or sends what is not known here.
    fn serve(self, answer_at: Option<AnswerAt>) -> Option<()> {
        clock::sharpen_timers();
        self.stream.set_nodelay(true).ok()?;
        let mut reader = self.stream.try_clone().ok()?;
        let (to, from) = channel();
        let later: Option<Sender<Due>> = answer_at.is_some().then_some(to);
        if later.is_some() {
            let stream = self.stream.try_clone().ok()?;
            std::thread::spawn(move || answer(stream, &from));
        }
        let mut frame = Vec::new();
        loop {
            let (is_produce, answered) = self.exchange(&mut reader, &mut frame)?;
            let came = clock::now();
            let Some(bytes) = answered else { continue };
            match (&later, &answer_at) {
                (Some(later), Some(answer_at)) => {
                    let due = match is_produce {
                        true => answer_at(came),
                        false => came,
                    };
                    later.send((due, bytes)).ok()?;
                }
                _ => (&self.stream).write_all(&bytes).ok()?,
            }
        }
    }

    /// Reads the next request, of either protocol: whether it is a Produce, and its answer.
    fn exchange(
        &self,
        reader: &mut TcpStream,
        frame: &mut Vec<u8>,
    ) -> Option<(bool, Option<Vec<u8>>)> {
        let mut prefix = [0; 4];
        reader.read_exact(&mut prefix).ok()?;
        if prefix.starts_with(&sink_native::MAGIC) {
            frame.clear();
            frame.extend_from_slice(&prefix);
            frame.resize(HEADER_BYTES, 0);
            reader.read_exact(frame.get_mut(4..)?).ok()?;
            let bytes = Header::parse(frame, sink_native::LIMITS)
                .ok()?
                .frame_bytes();
            frame.resize(bytes, 0);
            reader.read_exact(frame.get_mut(HEADER_BYTES..)?).ok()?;
            let (api, answer) = sink_native::answer(frame, self.address).ok()?;
            return Some((api == Api::Produce, Some(answer)));
        }
        frame.resize(frame_bytes(prefix, FRAME_BYTES_MAX).ok()?, 0);
        reader.read_exact(frame).ok()?;
        let (key, answer) = self.answer_to(frame).ok()?;
        Some((key == ApiKey::Produce, answer))
    }

    /// None if no answer is wanted.
    fn answer_to(&self, frame: &[u8]) -> Result<(ApiKey, Option<Vec<u8>>), Error> {
        let (header, body) = RequestHeader::decode(frame)?;
        let key = header.api();
        let key = key.ok_or(Error::new(Kind::Protocol, "an API that the sink has not"))?;
        let version = header.version;
        let mut encoder = Encoder::response(key, version, header.correlation_id);
        match key {
            ApiKey::ApiVersions => versions().encode(version, &mut encoder),
            ApiKey::Metadata => {
                let request = MetadataRequest::decode(version, body)?;
                self.metadata(&request, version, &mut encoder);
            }
            ApiKey::ListOffsets => {
                let request = ListOffsetsRequest::decode(version, body)?;
                offsets(&request).encode(version, &mut encoder);
            }
            // It has nothing to say of its durability.
            ApiKey::DescribeConfigs => {
                DescribeConfigsResponse::default().encode(version, &mut encoder);
            }
            ApiKey::Produce => {
                let request = ProduceRequest::decode(version, body)?;
                if request.acks == 0 {
                    return Ok((key, None));
                }
                produced(&request).encode(version, &mut encoder);
            }
            _ => return Err(Error::new(Kind::Protocol, "an API that the sink has not")),
        }
        let parts: Vec<Bytes> = encoder.finish()?;
        Ok((key, Some(parts.concat())))
    }

    fn metadata(&self, request: &MetadataRequest<'_>, version: i16, encoder: &mut Encoder) {
        let host = self.address.ip().to_string();
        let broker = MetadataResponseBroker {
            node_id: NODE,
            host: &host,
            port: i32::from(self.address.port()),
            rack: None,
        };
        let partitions: Vec<MetadataResponsePartition<'_>> = (0..PARTITIONS)
            .map(|index| MetadataResponsePartition {
                partition_index: index,
                leader_id: NODE,
                replica_nodes: vec![NODE].into(),
                isr_nodes: vec![NODE].into(),
                ..Default::default()
            })
            .collect();
        let asked = request.topics.clone().unwrap_or_default();
        let topics = asked.iter().map(|topic| MetadataResponseTopic {
            name: topic.name,
            partitions: partitions.clone().into(),
            ..Default::default()
        });
        let response = MetadataResponse {
            brokers: vec![broker].into(),
            controller_id: NODE,
            topics: topics.collect(),
            ..Default::default()
        };
        response.encode(version, encoder);
    }
}

/// Writes answers when they are due, until there are no more. Those that are due together leave
/// together.
fn answer(mut stream: TcpStream, due: &Receiver<Due>) {
    clock::sharpen_timers();
    let mut next = due.recv().ok();
    while let Some((moment, mut bytes)) = next {
        clock::sleep_until(moment);
        let now = clock::now();
        next = due.try_recv().ok();
        while let Some((_, more)) = next.take_if(|(moment, _)| *moment <= now) {
            bytes.extend(more);
            next = due.try_recv().ok();
        }
        if stream.write_all(&bytes).is_err() {
            return;
        }
        next = next.or_else(|| due.recv().ok());
    }
}

fn versions() -> ApiVersionsResponse<'static> {
    let served = [
        ApiKey::Produce,
        ApiKey::Fetch,
        ApiKey::ListOffsets,
        ApiKey::Metadata,
        ApiKey::ApiVersions,
        ApiKey::DescribeConfigs,
    ];
    let all = served.iter().map(|key| ApiVersion {
        api_key: key.number(),
        min_version: *key.versions().start(),
        max_version: *key.versions().end(),
    });
    ApiVersionsResponse {
        api_keys: all.collect(),
        ..Default::default()
    }
}

/// Every partition is empty.
fn offsets<'a>(request: &ListOffsetsRequest<'a>) -> ListOffsetsResponse<'a> {
    let topics = request.topics.iter().map(|topic| ListOffsetsTopicResponse {
        name: topic.name,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                offset: 0,
                ..Default::default()
            })
            .collect(),
    });
    ListOffsetsResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}

fn produced<'a>(request: &ProduceRequest<'a>) -> ProduceResponse<'a> {
    let topics = request.topic_data.iter().map(|topic| TopicProduceResponse {
        name: topic.name,
        topic_id: topic.topic_id,
        partition_responses: topic
            .partition_data
            .iter()
            .map(|partition| PartitionProduceResponse {
                index: partition.index,
                ..Default::default()
            })
            .collect(),
    });
    ProduceResponse {
        responses: topics.collect(),
        ..Default::default()
    }
}
