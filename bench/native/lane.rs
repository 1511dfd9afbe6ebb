//! One producing connection: Produce requests of one batch each, to its partitions by turns.

use std::collections::VecDeque;

use bytes::Bytes;
use corelog_base::{Monotonic, PartitionIndex, crc32c};
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::{Api, HEADER_BYTES, Header, encode, v1, v2};

use super::greeting::{LIMITS, greet, meta};
use super::layout::Owner;
use crate::driver::Answer;
use crate::payload::Template;
use crate::socket::Socket;
use crate::{Acks, Error, Kind};

const TIMEOUT_MS: u32 = 30_000;
/// Where a frame carries its correlation id and its checksum.
const CORRELATION_AT: std::ops::Range<usize> = 8..16;
const CHECKSUM_AT: std::ops::Range<usize> = 28..32;

#[derive(Debug)]
pub(crate) struct Lane {
    owner: Owner,
    acks: Acks,
    version: u16,
    template: Template,
    /// What stands before the batch in a request of each partition, if a batch has always the same
    /// length.
    heads: Vec<Head>,
    turn: usize,
    correlation: u64,
    /// The correlation ids of answers that are due.
    due: VecDeque<u64>,
}

#[derive(Debug)]
struct Head {
    bytes: Vec<u8>,
    /// Header and archive, without padding: what the checksum covers.
    checked: usize,
}

impl Head {
    fn of(bytes: &[u8]) -> Result<Self, Error> {
        let header = Header::parse(bytes, LIMITS)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            checked: HEADER_BYTES + header.meta_bytes as usize,
        })
    }

    /// The same request under another correlation id.
    fn number(&mut self, correlation: u64) -> &[u8] {
        self.bytes[CORRELATION_AT].copy_from_slice(&correlation.to_le_bytes());
        self.bytes[CHECKSUM_AT].fill(0);
        let sum = crc32c(&self.bytes[..self.checked]);
        self.bytes[CHECKSUM_AT].copy_from_slice(&sum.to_le_bytes());
        &self.bytes
    }
}

impl Lane {
    pub(super) fn new(owner: Owner, acks: Acks, template: Template) -> Self {
        Self {
            owner,
            acks,
            version: 0,
            template,
            heads: Vec::new(),
            turn: 0,
            correlation: 0,
            due: VecDeque::new(),
        }
    }

    pub(crate) fn connect(&mut self) -> Result<Socket, Error> {
        let (socket, version) = greet(&self.owner.address, Api::Produce)?;
        self.version = version;
        if let Some(bytes) = self.template.fixed_bytes() {
            let batch = Bytes::from(vec![0; bytes]);
            let heads = self.owner.partitions.iter().map(|span| {
                let parts = self.encode(span.index, 0, batch.clone())?;
                let first = parts.first().map(|part| part.as_ref());
                Head::of(first.unwrap_or_default())
            });
            self.heads = heads.collect::<Result<_, Error>>()?;
        }
        Ok(socket)
    }

    fn encode(
        &self,
        partition: PartitionIndex,
        correlation: u64,
        batch: Bytes,
    ) -> Result<Vec<Bytes>, Error> {
        let bytes = u32::try_from(batch.len());
        let part = v1::ProducePart {
            topic: self.owner.topic.0,
            partition: partition.0,
            position: 0,
            bytes: bytes.map_err(|_| Error::usage("a batch has at most 64 MiB"))?,
        };
        let request = v1::ProduceRequest {
            acks: self.acks.number(),
            timeout_ms: TIMEOUT_MS,
            parts: vec![part],
        };
        let batch = vec![batch];
        Ok(match self.version {
            1 => encode(correlation, 0, &request, batch)?,
            _ => encode(correlation, 0, &v2::ProduceRequest::from(request), batch)?,
        })
    }

    pub(crate) fn send(&mut self, socket: &mut Socket, intended: Monotonic) -> Result<(), Error> {
        self.correlation += 1;
        let correlation = self.correlation;
        let turn = self.turn;
        self.turn = (turn + 1) % self.owner.partitions.len();
        self.due.push_back(correlation);
        if let Some(head) = self.heads.get_mut(turn) {
            let batch = self.template.stamp(intended);
            return socket.send([head.number(correlation), batch, &[]]);
        }
        let batch = Bytes::copy_from_slice(self.template.stamp(intended));
        let partition = self.owner.partitions[turn].index;
        for part in self.encode(partition, correlation, batch)? {
            socket.send([&part, &[], &[]])?;
        }
        Ok(())
    }

    pub(crate) fn answer(&mut self, frame: &[u8]) -> Result<(usize, Answer), Error> {
        let header = Header::parse(frame, LIMITS)?;
        let place = self.due.iter().position(|due| *due == header.correlation);
        let Some(place) = place.filter(|_| header.is_response() && !header.has_more()) else {
            let why = "an answer came to nothing that was asked";
            return Err(Error::new(Kind::Protocol, why));
        };
        self.due.remove(place);
        let meta = meta(frame, (Api::Produce, self.version))?;
        let error = match header.version {
            1 => {
                let response = meta.read::<v1::ProduceResponse>()?;
                response.parts.first().map(|part| part.error.to_native())
            }
            2 => {
                let response = meta.read::<v2::ProduceResponse>()?;
                response.parts.first().map(|part| part.error.to_native())
            }
            _ => None,
        };
        match error.map(ErrorCode) {
            Some(ErrorCode::NONE) => Ok((place, Answer::Acknowledged)),
            Some(code) => Ok((place, Answer::Refused(code.to_string()))),
            None => Err(Error::new(Kind::Protocol, "a Produce has no outcome")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head that was numbered anew is a head as it would be encoded.
    #[test]
    fn heads_are_as_if_encoded() {
        let request = |correlation| {
            let part = v1::ProducePart {
                topic: [3; 16],
                partition: 2,
                position: 0,
                bytes: 5,
            };
            let request = v1::ProduceRequest {
                acks: -1,
                timeout_ms: TIMEOUT_MS,
                parts: vec![part],
            };
            encode(correlation, 0, &request, vec![Bytes::from_static(b"batch")]).unwrap()
        };
        let mut head = Head::of(&request(0)[0]).unwrap();
        for correlation in [1, 77, u64::MAX] {
            assert_eq!(head.number(correlation), &request(correlation)[0][..]);
        }
    }
}
