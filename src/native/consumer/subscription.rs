//! One subscription: its request, its frames, its credit.

use corelog_base::{CoreId, Offset, PartitionIndex, TopicId};
use corelog_wire::native::v1::{
    ArchivedSubscribeResponse, FetchPart, SubscribeRequest, SubscribeResponse,
};
use corelog_wire::native::{Api, Place, check_places, encode};
use tokio::sync::mpsc::UnboundedSender;

use super::buffered::Buffered;
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
        topic: TopicId,
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
        let asked = |correlation| encode(correlation, 0, &request, Vec::new());
        let id = connection.subscribe(asked, std::sync::Arc::new(answers))?;
        Ok(Self {
            connection,
            id,
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
        reply.expect(Api::Subscribe, 1)?;
        let response = reply.meta.read::<SubscribeResponse>()?;
        check(response.error.to_native(), "", || "subscribe".to_owned())?;
        let payload = reply.payload();
        check_places(places(response), reply.meta.header().payload_bytes)?;
        let each = response
            .parts
            .iter()
            .zip(places(response))
            .map(|(sent, place)| {
                let part = usize::try_from(sent.part.to_native()).ok();
                let partition = part.and_then(|part| self.parts.get(part)).copied();
                let partition = partition.ok_or_else(|| {
                    Error::new(
                        Kind::Protocol,
                        "the broker sends of what nobody subscribed to",
                    )
                })?;
                let begin = place.position as usize;
                let bytes = payload.slice(begin..begin + place.bytes as usize);
                let fetched = &sent.fetched;
                Ok(Part {
                    partition,
                    error: check(fetched.error.to_native(), "", || {
                        format!("read partition {partition}")
                    }),
                    high_watermark: Offset(fetched.high_watermark.to_native()),
                    log_start: Offset(fetched.log_start.to_native()),
                    buffered: Buffered::new(partition, core, bytes),
                })
            });
        each.collect()
    }
}

fn places(response: &ArchivedSubscribeResponse) -> impl Iterator<Item = Place> {
    response.parts.iter().map(|sent| Place {
        position: sent.fetched.position.to_native(),
        bytes: sent.fetched.bytes.to_native(),
    })
}
