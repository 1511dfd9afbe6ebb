//! One producing connection: Produce requests of one batch each, to its partitions by turns.

use std::collections::VecDeque;

use bytes::Bytes;
use corelog_base::{Monotonic, PartitionIndex};
use corelog_wire::kafka::{
    ApiKey, Array, Encoder, PartitionProduceData, ProduceRequest, ProduceResponse, ResponseHeader,
    TopicProduceData,
};

use super::CLIENT_ID;
use super::layout::Leader;
use crate::driver::Answer;
use crate::payload::Template;
use crate::socket::Socket;
use crate::{Acks, Error, Kind};

const TIMEOUT_MS: i32 = 30_000;
/// Where a frame carries its correlation id: after the length, the key and the version.
const CORRELATION_AT: usize = 8;

#[derive(Debug)]
pub(crate) struct Lane {
    address: String,
    topic: String,
    acks: Acks,
    version: i16,
    template: Template,
    partitions: Vec<PartitionIndex>,
    /// A request of each partition around its batch, if a batch has always the same length.
    frames: Vec<Frame>,
    turn: usize,
    correlation: i32,
    /// The correlation ids of answers that are due.
    due: VecDeque<i32>,
}

#[derive(Debug)]
struct Frame {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Lane {
    pub(super) fn new(
        leader: &Leader,
        topic: &str,
        acks: Acks,
        template: Template,
    ) -> Result<Self, Error> {
        let mut lane = Self {
            address: leader.address.clone(),
            topic: topic.to_owned(),
            acks,
            version: leader.produce_version,
            template,
            partitions: leader.partitions.iter().map(|span| span.index).collect(),
            frames: Vec::new(),
            turn: 0,
            correlation: 0,
            due: VecDeque::new(),
        };
        if let Some(bytes) = lane.template.fixed_bytes() {
            let batch = Bytes::from(vec![0; bytes]);
            let frames = lane.partitions.iter().map(|partition| {
                let parts = lane.encode(*partition, 0, batch.clone())?;
                let at = parts.iter().position(|part| part.len() == bytes);
                let at = at.ok_or(Error::new(Kind::Protocol, "the batch stands alone"))?;
                Ok(Frame {
                    head: parts[..at].concat(),
                    tail: parts[at + 1..].concat(),
                })
            });
            lane.frames = frames.collect::<Result<_, Error>>()?;
        }
        Ok(lane)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn encode(
        &self,
        partition: PartitionIndex,
        correlation: i32,
        batch: Bytes,
    ) -> Result<Vec<Bytes>, Error> {
        let part = PartitionProduceData {
            index: partition.0,
            records: batch.into(),
        };
        let data = TopicProduceData {
            name: &self.topic,
            partition_data: Array::from(vec![part]),
            ..TopicProduceData::default()
        };
        let request = ProduceRequest {
            acks: self.acks.number(),
            timeout_ms: TIMEOUT_MS,
            topic_data: Array::from(vec![data]),
            ..ProduceRequest::default()
        };
        let (key, version) = (ApiKey::Produce, self.version);
        let mut encoder = Encoder::request(key, version, correlation, Some(CLIENT_ID));
        request.encode(version, &mut encoder);
        Ok(encoder.finish()?)
    }

    pub(crate) fn send(&mut self, socket: &mut Socket, intended: Monotonic) -> Result<(), Error> {
        let correlation = self.correlation;
        self.correlation = correlation.wrapping_add(1);
        let turn = self.turn;
        self.turn = (turn + 1) % self.partitions.len();
        if self.acks != Acks::None {
            self.due.push_back(correlation);
        }
        if let Some(frame) = self.frames.get_mut(turn) {
            let place = CORRELATION_AT..CORRELATION_AT + 4;
            frame.head[place].copy_from_slice(&correlation.to_be_bytes());
            let batch = self.template.stamp(intended);
            return socket.send([&frame.head, batch, &frame.tail]);
        }
        let batch = Bytes::copy_from_slice(self.template.stamp(intended));
        for part in self.encode(self.partitions[turn], correlation, batch)? {
            socket.send([&part, &[], &[]])?;
        }
        Ok(())
    }

    pub(crate) fn answer(&mut self, frame: &[u8]) -> Result<Answer, Error> {
        let (header, body) = ResponseHeader::decode(ApiKey::Produce, self.version, frame)?;
        if self.due.pop_front() != Some(header.correlation_id) {
            let why = "an answer came to nothing that was asked, or out of order";
            return Err(Error::new(Kind::Protocol, why));
        }
        let response = ProduceResponse::decode(self.version, body)?;
        let topics = response.responses.iter();
        let mut partitions = topics.flat_map(|topic| {
            let all = topic.partition_responses.iter();
            all.map(|partition| partition.error_code)
                .collect::<Vec<_>>()
        });
        match partitions.find(|code| !code.is_none()) {
            None => Ok(Answer::Acknowledged),
            Some(code) => Ok(Answer::Refused(code.to_string())),
        }
    }
}
