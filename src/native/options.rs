//! How a client behaves.

use std::time::Duration;

use corelog_wire::native::{Api, ApiRange};

use crate::hello::spoken;
use crate::{Client, Error};

/// Times and bounds of a client and of what is made from it.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub bootstrap: Vec<String>,
    pub name: String,
    pub connect_timeout: Duration,
    pub request_timeout: Duration,
    pub retry_for: Duration,
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    pub keep_alive: Duration,
    pub metadata_age_max: Duration,
    pub payload_bytes_max: u32,
    pub ranges: Vec<ApiRange>,
}

/// How often a topic is asked for again that the broker says it does not have: one that was just
/// created may not be known everywhere.
pub(crate) const UNKNOWN_TOPIC_TRIES: u32 = 4;

/// What a [`Client`] is made from.
#[derive(Clone, Debug)]
pub struct Builder {
    options: Options,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            options: Options {
                bootstrap: Vec::new(),
                name: "corelog-native".to_owned(),
                connect_timeout: Duration::from_secs(10),
                request_timeout: Duration::from_secs(30),
                retry_for: Duration::from_secs(30),
                backoff_min: Duration::from_millis(20),
                backoff_max: Duration::from_secs(1),
                keep_alive: Duration::from_secs(10),
                metadata_age_max: Duration::from_secs(60),
                payload_bytes_max: 256 << 20,
                ranges: Api::ALL.into_iter().map(spoken).collect(),
            },
        }
    }

    /// An address of the broker's native door, `HOST:PORT`. Repeat it for more: they are tried in
    /// turn.
    pub fn bootstrap(mut self, address: impl Into<String>) -> Self {
        self.options.bootstrap.push(address.into());
        self
    }

    /// The name that the broker's logs show.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = name.into();
        self
    }

    /// How long one connection may take to be made; 10 s if not set.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.options.connect_timeout = time;
        self
    }

    /// How long one answer may take; 30 s if not set.
    pub fn request_timeout(mut self, time: Duration) -> Self {
        self.options.request_timeout = time;
        self
    }

    /// How long a call goes on trying after errors that may pass; 30 s if not set. A producer has a
    /// time of its own, see [`crate::ProducerBuilder::delivery_timeout`].
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.options.retry_for = time;
        self
    }

    /// The first pause between tries, and the longest: each next one doubles. 20 ms and 1 s if not
    /// set.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.options.backoff_min = first;
        self.options.backoff_max = longest;
        self
    }

    /// After so long a silence the broker is asked whether it is there; 10 s if not set.
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.options.keep_alive = time;
        self
    }

    /// How often producers and consumers look for new partitions; 60 s if not set.
    pub fn metadata_age_max(mut self, time: Duration) -> Self {
        self.options.metadata_age_max = time;
        self
    }

    /// Claims to speak other versions than this build does, to test how versions are agreed on.
    #[doc(hidden)]
    pub fn ranges(mut self, ranges: Vec<ApiRange>) -> Self {
        self.options.ranges = ranges;
        self
    }

    /// Connects to the first address that answers. Must be called on a tokio runtime, which then
    /// carries the client's tasks.
    ///
    /// # Errors
    /// `Invalid` without an address; else the last address's error once [`Builder::retry_for`] has
    /// passed.
    pub async fn connect(self) -> Result<Client, Error> {
        Client::connect(self.options).await
    }
}
