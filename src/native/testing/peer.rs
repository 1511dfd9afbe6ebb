//! One connection of the broker in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::*;
use corelog_wire::native::{
    Api, FLAG_MORE, HEADER_BYTES, Header, Limits, META_BYTES_MAX, Meta, encode, v2,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::fake::{Fate, ID, State, lock};

#[derive(Clone)]
pub(super) struct Peer {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) changed: Arc<Notify>,
    pub(super) broken: Arc<Notify>,
    pub(super) core: u16,
}

type Out = mpsc::UnboundedSender<Vec<Bytes>>;

impl Peer {
    pub(super) async fn serve(self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let (read, mut write) = stream.into_split();
        let (to, mut from) = mpsc::unbounded_channel::<Vec<Bytes>>();
        let writer = async move {
            while let Some(parts) = from.recv().await {
                write.write_all(&parts.concat()).await.ok()?;
            }
            Some(())
        };
        let broken = Arc::clone(&self.broken);
        tokio::select! {
            _ = writer => {}
            _ = self.read(read, to) => {}
            () = broken.notified() => {}
        }
    }

    /// None once the connection is to end.
    async fn read(self, mut socket: OwnedReadHalf, out: Out) -> Option<()> {
        let limits = Limits {
            meta_bytes_max: META_BYTES_MAX,
            payload_bytes_max: 1 << 26,
        };
        let mut buffer = BytesMut::new();
        let mut streams: HashMap<u64, mpsc::UnboundedSender<u64>> = HashMap::new();
        let mut tasks = JoinSet::new();
        loop {
            while buffer.len() < HEADER_BYTES {
                (socket.read_buf(&mut buffer).await.ok()? > 0).then_some(())?;
            }
            let header = Header::parse(&buffer, limits).unwrap();
            while buffer.len() < header.frame_bytes() {
                (socket.read_buf(&mut buffer).await.ok()? > 0).then_some(())?;
            }
            let frame = buffer.split_to(header.frame_bytes()).freeze();
            let meta = Meta::of(header, &frame).unwrap();
            let payload = frame.slice(header.payload_at()..);
            match Api::from_number(header.api).unwrap() {
                Api::Produce => self.produce(&meta, &payload, &out).await?,
                Api::Subscribe => {
                    let (credit, given) = mpsc::unbounded_channel();
                    streams.insert(header.correlation, credit);
                    tasks.spawn(self.clone().stream(meta, out.clone(), given));
                }
                Api::Credit => {
                    let request = meta.read::<CreditRequest>().unwrap();
                    let stream = streams.get(&request.subscription.to_native());
                    stream.map(|s| s.send(request.bytes.to_native()));
                }
                Api::Unsubscribe => {
                    let request = meta.read::<UnsubscribeRequest>().unwrap();
                    streams.remove(&request.subscription.to_native());
                }
                api => out.send(self.answer(api, &meta)).ok()?,
            }
        }
    }

    fn answer(&self, api: Api, meta: &Meta) -> Vec<Bytes> {
        let mut state = lock(&self.state);
        let correlation = meta.header().correlation;
        match api {
            Api::Hello => {
                let ranges = state.ranges.iter().map(|r| Range {
                    api: r.api,
                    min: r.min,
                    max: r.max,
                });
                let hello = HelloResponse {
                    error: 0,
                    message: String::new(),
                    node: 3,
                    cluster: [1; 16],
                    ranges: ranges.collect(),
                    host: "127.0.0.1".into(),
                    ports: state.ports.clone(),
                    core: self.core,
                    payload_bytes_max: 1 << 26,
                    topics: vec![],
                };
                encode(correlation, 0, &hello, vec![]).unwrap()
            }
            Api::Metadata => {
                let asked = meta.read::<MetadataRequest>().unwrap();
                let known = vec![state.topic()];
                let topics = match asked.topics.as_ref() {
                    None => known,
                    Some(names) => names.iter().map(|n| state.named(n.as_str())).collect(),
                };
                let metadata = MetadataResponse {
                    error: 0,
                    message: String::new(),
                    topics,
                };
                encode(correlation, 0, &metadata, vec![]).unwrap()
            }
            Api::InitProducer => {
                state.next_producer += 1;
                let response = InitProducerResponse {
                    error: 0,
                    id: state.next_producer,
                    epoch: 0,
                };
                encode(correlation, 0, &response, vec![]).unwrap()
            }
            Api::ListOffsets => {
                let asked = meta.read::<ListOffsetsRequest>().unwrap();
                let parts = asked.parts.iter().map(|part| Listed {
                    error: 0,
                    offset: state.logs[&part.partition.to_native()].list(part.time.to_native()),
                    time: -1,
                    epoch: -1,
                });
                let response = ListOffsetsResponse {
                    parts: parts.collect(),
                };
                encode(correlation, 0, &response, vec![]).unwrap()
            }
            api => panic!("{api:?} is not asked for here"),
        }
    }

    async fn produce(&self, meta: &Meta, payload: &Bytes, out: &Out) -> Option<()> {
        let version = meta.header().version;
        let parts: Vec<(i32, Bytes)> = match version {
            1 => slices(&meta.read::<ProduceRequest>().unwrap().parts, payload),
            _ => slices(&meta.read::<v2::ProduceRequest>().unwrap().parts, payload),
        };
        let mut produced = Vec::new();
        let mut broken = false;
        {
            let mut state = lock(&self.state);
            state.produces.push((version, parts.len()));
            for (partition, batch) in parts {
                let fate = state.fates.pop_front().unwrap_or(Fate::Sound);
                let mine = state.core_of(partition) == self.core;
                let outcome = match fate {
                    _ if !mine => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
                    Fate::Refused(code) => Err(code),
                    Fate::Lost => {
                        broken = true;
                        break;
                    }
                    Fate::Sound | Fate::Unanswered => {
                        state.logs.get_mut(&partition).unwrap().append(&batch)
                    }
                };
                broken |= fate == Fate::Unanswered;
                produced.push(Produced {
                    error: outcome.err().map_or(0, |code| code.0),
                    base_offset: outcome.unwrap_or(-1),
                });
            }
        }
        self.changed.notify_waiters();
        if broken {
            return None;
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !lock(&self.state).held {
                break;
            }
            changed.await;
        }
        let correlation = meta.header().correlation;
        let response = ProduceResponse { parts: produced };
        let frame = match version {
            1 => encode(correlation, 0, &response, vec![]).unwrap(),
            _ => encode(correlation, 0, &v2::ProduceResponse::from(response), vec![]).unwrap(),
        };
        out.send(frame).ok()
    }

    /// One subscription, until its connection ends or its credit's sender is dropped.
    async fn stream(self, meta: Meta, out: Out, mut given: mpsc::UnboundedReceiver<u64>) {
        let request = meta.read::<SubscribeRequest>().unwrap();
        let mut credit = i64::try_from(request.credit_bytes.to_native()).unwrap();
        let mut places: Vec<(i32, i64)> = Vec::new();
        for part in request.parts.iter() {
            places.push((part.partition.to_native(), part.offset.to_native()));
        }
        let bytes_max = u64::from(request.bytes_max.to_native());
        self.change(|state| {
            state
                .subscribed
                .push((self.core, request.credit_bytes.to_native()))
        });
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            for (at, place) in places.iter_mut().enumerate() {
                while credit > 0
                    && let Some((sent, bytes)) =
                        self.next_frame(at, place, bytes_max.min(credit.unsigned_abs()))
                {
                    let sent_bytes = bytes.iter().map(Bytes::len).sum::<usize>();
                    credit -= i64::try_from(sent_bytes).unwrap();
                    self.change(|state| state.sent_bytes += sent_bytes);
                    let response = SubscribeResponse {
                        error: 0,
                        parts: vec![sent],
                    };
                    let correlation = meta.header().correlation;
                    if out
                        .send(encode(correlation, FLAG_MORE, &response, bytes).unwrap())
                        .is_err()
                    {
                        return;
                    }
                }
            }
            tokio::select! {
                more = given.recv() => match more {
                    Some(more) => credit += i64::try_from(more).unwrap(),
                    None => return,
                },
                () = changed => {}
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_waiters();
    }

    fn next_frame(
        &self,
        at: usize,
        (partition, offset): &mut (i32, i64),
        bytes_max: u64,
    ) -> Option<(Sent, Vec<Bytes>)> {
        let state = lock(&self.state);
        let log = &state.logs[partition];
        let mine = state.core_of(*partition) == self.core;
        let (error, batches, next) = match *offset {
            i64::MAX => return None,
            _ if !mine => (ErrorCode::NOT_LEADER_OR_FOLLOWER, vec![], i64::MAX),
            o if o < log.start || o > log.next => {
                (ErrorCode::OFFSET_OUT_OF_RANGE, vec![], i64::MAX)
            }
            o if o == log.next => return None,
            o => {
                let (batches, next) = log.read(o, bytes_max);
                (ErrorCode::NONE, batches, next)
            }
        };
        *offset = next;
        let bytes = batches.iter().map(Bytes::len).sum::<usize>();
        let fetched = Fetched {
            error: error.0,
            high_watermark: log.next,
            log_start: log.start,
            position: 0,
            bytes: u32::try_from(bytes).unwrap(),
        };
        let part = u32::try_from(at).unwrap();
        Some((Sent { part, fetched }, batches))
    }
}

fn slices(parts: &[ArchivedProducePart], payload: &Bytes) -> Vec<(i32, Bytes)> {
    let each = parts.iter().map(|part| {
        assert_eq!(part.topic, ID);
        let begin = part.position.to_native() as usize;
        let end = begin + part.bytes.to_native() as usize;
        (part.partition.to_native(), payload.slice(begin..end))
    });
    each.collect()
}
