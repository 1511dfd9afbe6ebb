//! One subscription: its request, its frames, its credit.

use corelog_base::{CoreId, Offset, PartitionIndex, ProducerId, TopicId};
use corelog_record::Aborted;
use corelog_wire::native::v1::{self, FetchPart, SubscribeRequest};
use corelog_wire::native::{Api, Place, check_places, encode, v2};
use tokio::sync::mpsc::UnboundedSender;

use super::buffered::Buffered;
use super::builder::Isolation;
use super::state::Event;
use crate::connection::Connection;
use crate::error::check;
use crate::reply::Reply;
use crate::{Error, Kind};

/// What one frame may have, and of one partition. Smaller than the buffer, so that partitions take
/// turns.
const FRAME_BYTES_MAX: u64 = 1 << 20;

pub(super) struct Subscription {
    connection: Connection,
    id: u64,
    version: u16,
    /// Which frames are this one's.
    pub generation: u64,
    pub parts: Vec<PartitionIndex>,
    /// The room that it was given, in all.
    window: u64,
    /// Room that is free again and was not given back yet.
    owed: u64,
}

/// What a frame says of one partition.
pub(super) struct Part {
    pub partition: PartitionIndex,
    pub error: Result<(), Error>,
    pub high_watermark: Offset,
    pub log_start: Offset,
    pub buffered: Buffered,
}

/// Where to read from.
pub(super) struct From {
    pub partition: PartitionIndex,
    pub offset: Offset,
}

impl Subscription {
    /// `credit` is what the broker may send before it is given more; `window` what it is out of.
    pub(super) fn begin(
        connection: Connection,
        (topic, isolation): (TopicId, Isolation),
        parts: &[From],
        (credit, window): (u64, u64),
        generation: u64,
        report: UnboundedSender<Event>,
    ) -> Result<Self, Error> {
        let bytes_max = FRAME_BYTES_MAX.min(window.max(1));
        let bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX);
        let each = parts.iter().map(|part| FetchPart {
            topic: topic.0,
            partition: part.partition.0,
            epoch: -1,
            offset: part.offset.0,
            bytes_max,
        });
        let request = SubscribeRequest {
            credit_bytes: credit,
            bytes_max,
            parts: each.collect(),
        };
        let answers = move |frame| {
            // The consumer is gone if nobody takes it.
            let _ = report.send(Event::Frame { generation, frame });
        };
        let version = connection.hello().version(Api::Subscribe)?;
        if version == 1 && isolation == Isolation::Committed {
            let context = "the broker does not tell which transactions were aborted";
            return Err(Error::new(Kind::Unsupported, context));
        }
        let asked = |correlation| match version {
            1 => encode(correlation, 0, &request, Vec::new()),
            _ => {
                let mut request = v2::SubscribeRequest::from(request);
                if isolation == Isolation::Committed {
                    request.isolation = v2::COMMITTED;
                }
                encode(correlation, 0, &request, Vec::new())
            }
        };
        let id = connection.subscribe(asked, std::sync::Arc::new(answers))?;
        Ok(Self {
            connection,
            id,
            version,
            generation,
            parts: parts.iter().map(|part| part.partition).collect(),
            window,
            owed: 0,
        })
    }

    /// Room that is free again. Given back in quarters of the window: a frame of credit for each
    /// batch would cost more than it brings.
    pub(super) fn give_back(&mut self, bytes: u64) -> Result<(), Error> {
        self.owed += bytes;
        if self.owed < (self.window / 4).max(1) {
            return Ok(());
        }
        self.connection
            .credit(self.id, std::mem::take(&mut self.owed))
    }

    pub(super) fn end(self) {
        self.connection.unsubscribe(self.id);
    }

    /// # Errors
    /// What ends the whole subscription.
    pub(super) fn read(&self, core: CoreId, reply: &Reply) -> Result<Vec<Part>, Error> {
        reply.expect(Api::Subscribe, self.version)?;
        let (error, sent) = match self.version {
            1 => {
                let response = reply.meta.read::<v1::SubscribeResponse>()?;
                let sent = response.parts.iter().map(Sent::of_v1);
                (response.error.to_native(), sent.collect::<Vec<_>>())
            }
            _ => {
                let response = reply.meta.read::<v2::SubscribeResponse>()?;
                let sent = response.parts.iter().map(Sent::of_v2);
                (response.error.to_native(), sent.collect())
            }
        };
        check(error, "", || "subscribe".to_owned())?;
        let payload = reply.payload();
        let places = sent.iter().map(|sent| sent.place);
        check_places(places, reply.meta.header().payload_bytes)?;
        let each = sent.into_iter().map(|sent| {
            let part = usize::try_from(sent.part).ok();
            let partition = part.and_then(|part| self.parts.get(part)).copied();
            let partition = partition.ok_or_else(|| {
                Error::new(
                    Kind::Protocol,
                    "the broker sends of what nobody subscribed to",
                )
            })?;
            let begin = sent.place.position as usize;
            let bytes = payload.slice(begin..begin + sent.place.bytes as usize);
            let aborted = Aborted::new(sent.aborted);
            Ok(Part {
                partition,
                error: check(sent.error, "", || format!("read partition {partition}")),
                high_watermark: sent.high_watermark,
                log_start: sent.log_start,
                buffered: Buffered::new(partition, core, bytes, aborted),
            })
        });
        each.collect()
    }
}

/// What either version says of a part.
struct Sent {
    part: u32,
    error: i16,
    high_watermark: Offset,
    log_start: Offset,
    place: Place,
    aborted: Vec<(Offset, ProducerId)>,
}

impl Sent {
    fn of_v1(sent: &v1::ArchivedSent) -> Self {
        let fetched = &sent.fetched;
        Self {
            part: sent.part.to_native(),
            error: fetched.error.to_native(),
            high_watermark: Offset(fetched.high_watermark.to_native()),
            log_start: Offset(fetched.log_start.to_native()),
            place: Place {
                position: fetched.position.to_native(),
                bytes: fetched.bytes.to_native(),
            },
            aborted: Vec::new(),
        }
    }

    fn of_v2(sent: &v2::ArchivedSent) -> Self {
        let fetched = &sent.fetched;
        let aborted = fetched.aborted.iter().map(|aborted| {
            let first = Offset(aborted.first.to_native());
            (first, ProducerId(aborted.producer.to_native()))
        });
        Self {
            part: sent.part.to_native(),
            error: fetched.error.to_native(),
            high_watermark: Offset(fetched.high_watermark.to_native()),
            log_start: Offset(fetched.log_start.to_native()),
            place: Place {
                position: fetched.position.to_native(),
                bytes: fetched.bytes.to_native(),
            },
            aborted: aborted.collect(),
        }
    }
}
