//! One consuming connection: Fetch requests of all its partitions, one after the other.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use corelog_base::{Monotonic, Offset};
use corelog_record::batches;
use corelog_wire::kafka::{
    ApiKey, Encoder, ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchTopic,
    ResponseHeader,
};

use super::CLIENT_ID;
use super::layout::Leader;
use crate::payload::stamp_of;
use crate::socket::{Framing, Socket};
use crate::tally::Consumed;
use crate::{Error, Kind, clock};

/// How long the broker waits for records: a run that ends waits as long.
const WAIT_MS: i32 = 250;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const FETCH_BYTES_MAX: i32 = 32 << 20;
const PARTITION_BYTES_MAX: i32 = 8 << 20;

#[derive(Debug)]
pub(crate) struct Reader {
    socket: Socket,
    topic: String,
    version: i16,
    partitions: BTreeMap<i32, Place>,
    /// Partitions that are read up to their end at the start, instead of on and on.
    history: bool,
    correlation: i32,
    /// The last answer, when it was asked for, and when it had come.
    frame: Range<usize>,
    asked: Monotonic,
    came: Monotonic,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    next: Offset,
    end: Offset,
}

impl Reader {
    pub(super) fn new(leader: &Leader, topic: &str, history: bool) -> Result<Self, Error> {
        let socket = Socket::connect(&leader.address, Framing::Kafka)?;
        socket.set_read_timeout(ANSWER_TIMEOUT)?;
        let places = leader.partitions.iter().map(|span| {
            let place = Place {
                next: if history { span.first } else { span.end },
                end: span.end,
            };
            (span.index.0, place)
        });
        Ok(Self {
            socket,
            topic: topic.to_owned(),
            version: leader.fetch_version,
            partitions: places.collect(),
            history,
            correlation: 0,
            frame: 0..0,
            asked: Monotonic(0),
            came: Monotonic(0),
        })
    }

    pub(crate) fn is_done(&self) -> bool {
        self.history && self.wanted().next().is_none()
    }

    fn wanted(&self) -> impl Iterator<Item = (&i32, &Place)> {
        let all = self.partitions.iter();
        all.filter(|(_, place)| !self.history || place.next < place.end)
    }

    /// Asks, and waits for the answer. It may hold no records.
    pub(crate) fn wait(&mut self) -> Result<(), Error> {
        self.ask()?;
        self.asked = clock::now();
        loop {
            if let Some(frame) = self.socket.frame()? {
                self.frame = frame;
                self.came = clock::now();
                return Ok(());
            }
            if !self.socket.fill()? && clock::now().since(self.asked) > ANSWER_TIMEOUT {
                let why = "the broker did not answer a Fetch in time";
                return Err(Error::new(Kind::Unreachable, why));
            }
        }
    }

    /// Counts what the last `wait` brought.
    pub(crate) fn count(&mut self, consumed: &mut Consumed) -> Result<(), Error> {
        let frame = self.socket.bytes(self.frame.clone());
        let (header, body) = ResponseHeader::decode(ApiKey::Fetch, self.version, frame)?;
        if header.correlation_id != self.correlation {
            return Err(Error::new(Kind::Protocol, "an answer came out of order"));
        }
        let response = FetchResponse::decode(self.version, body)?;
        check(response.error_code)?;
        let (mut records, mut bytes) = (0, 0);
        for topic in response.responses.iter() {
            for partition in topic.partitions.iter() {
                check(partition.error_code)?;
                let place = self.partitions.get_mut(&partition.partition_index);
                let place = place.ok_or(Error::new(Kind::Protocol, "nobody asked for this"))?;
                for batch in batches(partition.records.bytes().unwrap_or_default()) {
                    let (header, batch) = batch?;
                    // An answer may begin with records that were read before.
                    if header.last_offset() < place.next {
                        continue;
                    }
                    place.next = header.next_offset();
                    records += u64::try_from(header.record_count).unwrap_or(0);
                    bytes += batch.len() as u64;
                    if !self.history {
                        consumed.batch(stamp_of(batch)?, self.came);
                    }
                }
            }
        }
        if records > 0 {
            consumed.arrived(records, bytes, self.asked, self.came);
        }
        Ok(())
    }

    fn ask(&mut self) -> Result<(), Error> {
        let partitions = self.wanted().map(|(index, place)| FetchPartition {
            partition: *index,
            fetch_offset: place.next.0,
            partition_max_bytes: PARTITION_BYTES_MAX,
            ..FetchPartition::default()
        });
        let topic = FetchTopic {
            topic: &self.topic,
            partitions: partitions.collect(),
            ..FetchTopic::default()
        };
        let request = FetchRequest {
            max_wait_ms: WAIT_MS,
            min_bytes: 1,
            max_bytes: FETCH_BYTES_MAX,
            topics: vec![topic].into(),
            ..FetchRequest::default()
        };
        let correlation = self.correlation.wrapping_add(1);
        let (key, version) = (ApiKey::Fetch, self.version);
        let mut encoder = Encoder::request(key, version, correlation, Some(CLIENT_ID));
        request.encode(version, &mut encoder);
        let parts = encoder.finish()?;
        self.correlation = correlation;
        for part in parts {
            self.socket.send([&part, &[], &[]])?;
        }
        self.socket.flush()?;
        Ok(())
    }
}

fn check(code: ErrorCode) -> Result<(), Error> {
    if code.is_none() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Refused,
        format!("a Fetch was refused: {code}"),
    ))
}
