//! Finding the cluster, and asking the right broker.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use corelog_base::NodeId;
use corelog_wire::kafka::{ErrorCode, MetadataRequest, MetadataRequestTopic};
use tokio::sync::Mutex as AsyncMutex;

use crate::backoff::Backoff;
use crate::error::check;
use crate::metadata::{Broker, Metadata, TopicFilter, TopicMetadata};
use crate::pool::Pool;
use crate::{AnyRequest, Connection, Error, Kind, Options, Reply};

pub(crate) const ANY_VERSION: RangeInclusive<i16> = 0..=i16::MAX;

/// A client of one cluster. Clones share connections and metadata.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bootstrap: Vec<String>,
    options: Options,
    pool: Pool,
    /// The connection by which metadata is asked for: to a bootstrap address, then to any broker.
    front: AsyncMutex<Option<Connection>>,
    known: RwLock<Arc<Metadata>>,
}

impl Client {
    /// Connects to the first of the bootstrap addresses (`HOST:PORT`) that answers, and learns who
    /// the cluster is. Tries each address once.
    ///
    /// # Errors
    /// `Invalid` without an address; else the last address's error.
    pub async fn connect<S: AsRef<str>>(bootstrap: &[S], options: Options) -> Result<Self, Error> {
        let client = Self {
            shared: Arc::new(Shared {
                bootstrap: bootstrap.iter().map(|s| s.as_ref().to_string()).collect(),
                options,
                pool: Pool::default(),
                front: AsyncMutex::default(),
                known: RwLock::default(),
            }),
        };
        client.refresh_once(TopicFilter::None).await?;
        Ok(client)
    }

    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// What is known of the cluster, as of the last answers; asks nobody.
    pub fn known(&self) -> Arc<Metadata> {
        let known = self.shared.known.read();
        Arc::clone(&known.unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for metadata now, and keeps it. Topics' own errors stand in the answer.
    ///
    /// # Errors
    /// If no broker answers within [`Options::retry_for`].
    pub async fn metadata(&self, filter: TopicFilter<'_>) -> Result<Metadata, Error> {
        let mut backoff = Backoff::new(self.options());
        loop {
            match self.refresh_once(filter).await {
                Ok(metadata) => return Ok(metadata),
                Err(error) => backoff.again(error).await?,
            }
        }
    }

    /// Topics by name, all of which exist and have leaders, as the cluster says now. What may pass
    /// (a topic that was just created, an election) is waited for.
    ///
    /// # Errors
    /// `Broker(UNKNOWN_TOPIC_OR_PARTITION)` after [`Options::unknown_topic_tries`], or the topic's
    /// other error.
    pub async fn topics(
        &self,
        filter: TopicFilter<'_>,
    ) -> Result<BTreeMap<String, TopicMetadata>, Error> {
        let mut backoff = Backoff::new(self.options());
        let mut unknown_tries = 0;
        loop {
            let error = match self.refresh_once(filter).await {
                Err(error) => error,
                Ok(metadata) => match first_error(&metadata) {
                    None => return Ok(metadata.topics),
                    Some((name, code)) => Error::broker(code, None, &format!("topic '{name}'")),
                },
            };
            if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) {
                unknown_tries += 1;
                if unknown_tries >= self.options().unknown_topic_tries {
                    return Err(error);
                }
            }
            backoff.again(error).await?;
        }
    }

    /// One try. A failed connection is dropped, so that the next try takes another broker.
    pub(crate) async fn refresh_once(&self, filter: TopicFilter<'_>) -> Result<Metadata, Error> {
        let mut front = self.shared.front.lock().await;
        let connection = match front.take().filter(|connection| !connection.is_ended()) {
            Some(connection) => connection,
            None => self.reach().await?,
        };
        let metadata = ask(&connection, filter).await?;
        *front = Some(connection);
        let mut known = self
            .shared
            .known
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut merged = Metadata::clone(&known);
        merged.absorb(&metadata);
        *known = Arc::new(merged);
        Ok(metadata)
    }

    /// A connection to any broker: those known first, then the bootstrap addresses.
    async fn reach(&self) -> Result<Connection, Error> {
        let known = self.known();
        let brokers = known.brokers.values().map(Broker::address);
        let mut last = Error::new(Kind::Invalid, "no bootstrap address was given");
        for address in brokers.chain(self.shared.bootstrap.iter().cloned()) {
            match Connection::open(&address, self.options()).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(crate) async fn connection(&self, node: NodeId, pool: &Pool) -> Result<Connection, Error> {
        let known = self.known();
        let Some(broker) = known.brokers.get(&node) else {
            // It has left, or is only just coming: metadata will say.
            let code = ErrorCode::LEADER_NOT_AVAILABLE;
            return Err(Error::broker(
                code,
                None,
                &format!("broker {node} is not known"),
            ));
        };
        pool.get(broker, self.options()).await
    }

    /// Asks one broker by its id.
    ///
    /// # Errors
    /// Those of [`Connection::call`]; nothing is tried again.
    pub async fn call_node(
        &self,
        node: NodeId,
        range: RangeInclusive<i16>,
        request: &dyn AnyRequest,
        wait: Duration,
    ) -> Result<Reply, Error> {
        let connection = self.connection(node, &self.shared.pool).await?;
        connection.call(range, request, wait).await
    }

    /// Asks any broker.
    pub(crate) async fn call_any(&self, request: &dyn AnyRequest) -> Result<Reply, Error> {
        let node = self.any_node()?;
        self.call_node(node, ANY_VERSION, request, Duration::ZERO)
            .await
    }

    /// Asks the controller, or any broker where none is named.
    pub(crate) async fn call_controller(
        &self,
        request: &dyn AnyRequest,
        wait: Duration,
    ) -> Result<Reply, Error> {
        let controller = self.known().controller;
        let node = match controller {
            Some(node) => node,
            None => self.any_node()?,
        };
        self.call_node(node, ANY_VERSION, request, wait).await
    }

    fn any_node(&self) -> Result<NodeId, Error> {
        let known = self.known();
        let first = known.brokers.keys().next();
        first.copied().ok_or_else(|| {
            let code = ErrorCode::BROKER_NOT_AVAILABLE;
            Error::broker(code, None, "the cluster names no broker")
        })
    }
}

async fn ask(connection: &Connection, filter: TopicFilter<'_>) -> Result<Metadata, Error> {
    let names: Option<&[&str]> = match filter {
        TopicFilter::None => Some(&[]),
        TopicFilter::All => None,
        TopicFilter::Named(names) | TopicFilter::OrCreate(names) => Some(names),
    };
    let request = MetadataRequest {
        topics: names.map(|names| names.iter().map(|name| named(name)).collect()),
        allow_auto_topic_creation: matches!(filter, TopicFilter::OrCreate(_)),
        ..Default::default()
    };
    // From version 1 on an empty list means no topics, and null means all.
    let reply = connection
        .call(1..=i16::MAX, &request, Duration::ZERO)
        .await?;
    let response = reply.read::<corelog_wire::kafka::MetadataResponse<'_>>()?;
    check(response.error_code, None, || {
        format!("ask {} for metadata", connection.address())
    })?;
    Ok(Metadata::of(&response))
}

fn named(name: &str) -> MetadataRequestTopic<'_> {
    MetadataRequestTopic {
        name: Some(name),
        ..Default::default()
    }
}

/// The first topic that cannot be used as it is.
fn first_error(metadata: &Metadata) -> Option<(&str, ErrorCode)> {
    metadata.topics.iter().find_map(|(name, topic)| {
        let without_leader = topic.partitions.values().any(|p| p.leader.is_none());
        let code = match topic.error {
            ErrorCode::NONE if without_leader => ErrorCode::LEADER_NOT_AVAILABLE,
            code => code,
        };
        (!code.is_none()).then_some((name.as_str(), code))
    })
}
