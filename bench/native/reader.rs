//! One consuming connection: a subscription to all its partitions.

use std::ops::Range;
use std::time::Duration;

use corelog_base::{Monotonic, Offset};
use corelog_record::batches;
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::{CreditRequest, FetchPart, SubscribeRequest, SubscribeResponse};
use corelog_wire::native::{Api, Place as Piece, check_places, encode};

use super::greeting::{greet, meta, send};
use super::layout::Owner;
use crate::payload::stamp_of;
use crate::socket::Socket;
use crate::tally::Consumed;
use crate::{Error, Kind, clock};

/// How long one wait may take: a run that ends waits as long.
const WAIT: Duration = Duration::from_millis(250);
/// What may be on its way. Given back in quarters.
const CREDIT_BYTES: u64 = 32 << 20;
const FRAME_BYTES_MAX: u32 = 1 << 20;
const SUBSCRIPTION: u64 = 1;

#[derive(Debug)]
pub(crate) struct Reader {
    socket: Socket,
    /// In the order of the subscription.
    partitions: Vec<Place>,
    /// Partitions are read up to their end at the start, instead of on and on.
    history: bool,
    /// What came and was not given back as credit yet.
    owed: u64,
    /// The last frame, when it was waited for, and when it had come.
    frame: Option<Range<usize>>,
    asked: Monotonic,
    came: Monotonic,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    next: Offset,
    end: Offset,
}

impl Reader {
    pub(super) fn new(owner: &Owner, history: bool) -> Result<Self, Error> {
        let (mut socket, _) = greet(&owner.address, Api::Subscribe)?;
        socket.set_read_timeout(WAIT)?;
        let places = owner.partitions.iter().map(|span| Place {
            next: if history { span.first } else { span.end },
            end: span.end,
        });
        let partitions: Vec<Place> = places.collect();
        let parts = owner.partitions.iter().zip(&partitions);
        let parts = parts.map(|(span, place)| FetchPart {
            topic: owner.topic.0,
            partition: span.index.0,
            epoch: -1,
            offset: place.next.0,
            bytes_max: FRAME_BYTES_MAX,
        });
        let request = SubscribeRequest {
            credit_bytes: CREDIT_BYTES,
            bytes_max: FRAME_BYTES_MAX,
            parts: parts.collect(),
        };
        send(&mut socket, encode(SUBSCRIPTION, 0, &request, Vec::new())?)?;
        let now = clock::now();
        Ok(Self {
            socket,
            partitions,
            history,
            owed: 0,
            frame: None,
            asked: now,
            came: now,
        })
    }

    pub(crate) fn is_done(&self) -> bool {
        self.history && self.partitions.iter().all(|place| place.next >= place.end)
    }

    /// Waits for a frame, or until the wait has taken long enough.
    pub(crate) fn wait(&mut self) -> Result<(), Error> {
        self.asked = clock::now();
        loop {
            self.frame = self.socket.frame()?;
            if self.frame.is_some() {
                self.came = clock::now();
                return Ok(());
            }
            if !self.socket.fill()? && clock::now().since(self.asked) >= WAIT {
                return Ok(());
            }
        }
    }

    /// Counts what the last `wait` brought.
    pub(crate) fn count(&mut self, consumed: &mut Consumed) -> Result<(), Error> {
        let Some(frame) = self.frame.take() else {
            return Ok(());
        };
        let frame = self.socket.bytes(frame);
        let meta = meta(frame, (Api::Subscribe, 1))?;
        let header = *meta.header();
        let response = meta.read::<SubscribeResponse>()?;
        check(response.error.to_native())?;
        if header.correlation != SUBSCRIPTION || !header.has_more() {
            return Err(Error::new(Kind::Protocol, "the subscription ended"));
        }
        let pieces = || {
            response.parts.iter().map(|sent| Piece {
                position: sent.fetched.position.to_native(),
                bytes: sent.fetched.bytes.to_native(),
            })
        };
        check_places(pieces(), header.payload_bytes)?;
        let payload = frame.get(header.payload_at()..).unwrap_or_default();
        let (mut records, mut bytes) = (0, 0);
        for (sent, piece) in response.parts.iter().zip(pieces()) {
            check(sent.fetched.error.to_native())?;
            let part = usize::try_from(sent.part.to_native()).unwrap_or(usize::MAX);
            let place = self.partitions.get_mut(part);
            let place = place.ok_or(Error::new(Kind::Protocol, "nobody asked for this"))?;
            let from = piece.position as usize;
            let piece = payload.get(from..from + piece.bytes as usize);
            for batch in batches(piece.unwrap_or_default()) {
                let (header, batch) = batch?;
                // The first batch may begin with records that were read before.
                if header.last_offset() < place.next || self.history && place.next >= place.end {
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
        if records > 0 {
            consumed.arrived(records, bytes, self.asked, self.came);
        }
        self.give_back(u64::from(header.payload_bytes))
    }

    fn give_back(&mut self, bytes: u64) -> Result<(), Error> {
        self.owed += bytes;
        if self.owed < CREDIT_BYTES / 4 {
            return Ok(());
        }
        let request = CreditRequest {
            subscription: SUBSCRIPTION,
            bytes: std::mem::take(&mut self.owed),
        };
        send(&mut self.socket, encode(0, 0, &request, Vec::new())?)
    }
}

fn check(error: i16) -> Result<(), Error> {
    let code = ErrorCode(error);
    if code.is_none() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Refused,
        format!("a subscription was refused: {code}"),
    ))
}
