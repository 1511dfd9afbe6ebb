//! What a producer is made from.

use std::sync::Arc;
use std::time::Duration;

use corelog_record::Codec;
use corelog_wire::native::v1::{InitProducerRequest, InitProducerResponse};
use corelog_wire::native::{Api, encode};

use super::driver::Driver;
use super::handle::{Producer, Shared};
use super::lane::{IN_FLIGHT_MAX, Identity};
use crate::client::Wanted;
use crate::error::check;
use crate::{Client, Error, Kind};

/// When a record counts as written. Either way it is flushed as the topic's `durability` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acks {
    /// Once it is committed.
    Committed,
    /// Once it is committed and `min.insync.replicas` have it.
    All,
}

impl Acks {
    pub(super) fn number(self) -> i16 {
        match self {
            Self::Committed => 1,
            Self::All => -1,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub acks: Acks,
    pub codec: Codec,
    pub idempotent: bool,
    pub in_flight: usize,
    pub batch_bytes: usize,
    pub buffer_bytes: u32,
    pub delivery_timeout: Duration,
    pub create_topic: bool,
}

/// Bounds and habits of a [`Producer`].
#[derive(Clone)]
pub struct ProducerBuilder {
    client: Client,
    topic: String,
    options: Options,
}

impl ProducerBuilder {
    pub(crate) fn new(client: Client, topic: String) -> Self {
        Self {
            client,
            topic,
            options: Options {
                acks: Acks::All,
                codec: Codec::None,
                idempotent: true,
                in_flight: IN_FLIGHT_MAX,
                batch_bytes: 1_000_000,
                buffer_bytes: 32 << 20,
                delivery_timeout: Duration::from_secs(120),
                create_topic: false,
            },
        }
    }

    /// [`Acks::All`] if not set.
    pub fn acks(mut self, acks: Acks) -> Self {
        self.options.acks = acks;
        self
    }

    /// How batches are compressed; not at all if not set.
    pub fn compression(mut self, codec: Codec) -> Self {
        self.options.codec = codec;
        self
    }

    /// `false`: a batch whose acknowledgement got lost may be written twice, and out of order.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.options.idempotent = idempotent;
        self
    }

    /// Batches of one partition under way, 1 to 5; 5 if not set.
    pub fn in_flight(mut self, batches: usize) -> Self {
        self.options.in_flight = batches;
        self
    }

    /// Bytes of a batch before compression; 1,000,000 if not set. A record that is larger goes
    /// alone. Must not be above the topic's `max.message.bytes`.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.options.batch_bytes = bytes;
        self
    }

    /// Bytes of records that are not acknowledged yet, in all: [`Producer::send`] waits for room.
    /// 32 MiB if not set.
    pub fn buffer_bytes(mut self, bytes: u32) -> Self {
        self.options.buffer_bytes = bytes;
        self
    }

    /// How long a record is tried; 120 s if not set.
    pub fn delivery_timeout(mut self, time: Duration) -> Self {
        self.options.delivery_timeout = time;
        self
    }

    /// Lets the broker create the topic if it is missing, where it is set to do so.
    pub fn create_topic(mut self) -> Self {
        self.options.create_topic = true;
        self
    }

    /// Finds the topic, and gets the number by which the broker knows this producer's batches.
    ///
    /// # Errors
    /// An unknown topic; `Invalid` for bounds that cannot be.
    pub async fn build(mut self) -> Result<Producer, Error> {
        let refused = |what: &str| Err(Error::new(Kind::Invalid, what));
        if !(1..=IN_FLIGHT_MAX).contains(&self.options.in_flight) {
            return refused("a producer has 1 to 5 batches of a partition under way");
        }
        if self.options.batch_bytes == 0 || self.options.buffer_bytes == 0 {
            return refused("a batch and a buffer take a byte or more");
        }
        let client = &self.client;
        let wanted = match self.options.create_topic {
            true => Wanted::OrCreate(&self.topic),
            false => Wanted::Named(&self.topic),
        };
        let topic = client.retrying(|| client.find(wanted)).await?;
        let identity = match self.options.idempotent {
            true => Some(client.retrying(|| identity(client)).await?),
            false => None,
        };
        // One batch always fits a frame.
        let frame_bytes = client.front().await?.hello().payload_bytes_max;
        let frame_bytes = usize::try_from(frame_bytes).unwrap_or(usize::MAX);
        self.options.batch_bytes = self.options.batch_bytes.min(frame_bytes);
        let shared = Arc::new(Shared::new(topic.partitions.len(), &self.options));
        let driver = Driver::new(self.client.clone(), topic, identity, self.options, &shared);
        self.client.runtime().spawn(driver.run());
        Ok(Producer::new(shared))
    }
}

/// A new number of a producer. One try.
pub(super) async fn identity(client: &Client) -> Result<Identity, Error> {
    let front = client.front().await?;
    let request = InitProducerRequest { flags: 0 };
    let asked = |correlation| encode(correlation, 0, &request, Vec::new());
    let reply = front.call(Api::InitProducer, asked).await?;
    let response = reply.meta.read::<InitProducerResponse>()?;
    check(response.error.to_native(), "", || {
        "get a producer's number".to_owned()
    })?;
    Ok(Identity {
        id: corelog_base::ProducerId(response.id.to_native()),
        epoch: corelog_base::ProducerEpoch(response.epoch.to_native()),
    })
}
