//! Finding the broker, its topics and its cores.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use corelog_base::{CoreId, NodeId};
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::{MetadataRequest, MetadataResponse};
use corelog_wire::native::{Api, Outbound, encode};
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;

use crate::backoff::Backoff;
use crate::connection::Connection;
use crate::error::check;
use crate::options::{Builder, Options};
use crate::pool::Pool;
use crate::reply::Reply;
use crate::topics::{Topic, topics};
use crate::{ConsumerBuilder, Error, Kind, ProducerBuilder};

/// A client of one broker. Clones share connections and what is known.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    runtime: Handle,
    /// The connection by which metadata is asked for.
    front: AsyncMutex<Option<Connection>>,
    pool: Pool,
    known: RwLock<Known>,
}

/// As of the last answers.
#[derive(Default)]
struct Known {
    node: Option<NodeId>,
    host: String,
    ports: Vec<u16>,
    topics: BTreeMap<String, Topic>,
}

/// Which topics to ask for.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    All,
    Named(&'a str),
    /// Created if it is missing and the broker does so for Kafka's clients, too.
    OrCreate(&'a str),
}

impl Client {
    /// Says how to connect; see [`Builder`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) async fn connect(options: Options) -> Result<Self, Error> {
        let mut backoff = Backoff::new(&options);
        let client = Self {
            shared: Arc::new(Shared {
                options,
                runtime: Handle::current(),
                front: AsyncMutex::default(),
                pool: Pool::default(),
                known: RwLock::default(),
            }),
        };
        loop {
            match client.front().await {
                Ok(_) => return Ok(client),
                Err(error) => backoff.again(error).await?,
            }
        }
    }

    /// A producer for one topic; see [`ProducerBuilder`].
    pub fn producer(&self, topic: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder::new(self.clone(), topic.into())
    }

    /// A consumer of one topic; see [`ConsumerBuilder`].
    pub fn consumer(&self, topic: impl Into<String>) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), topic.into())
    }

    pub(crate) fn options(&self) -> &Options {
        &self.shared.options
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.shared.runtime
    }

    /// The host and port of each core of the broker, as it says them, in the order of cores.
    pub fn addresses(&self) -> Vec<String> {
        let known = self.shared.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        let ports = known.ports.iter();
        ports.map(|port| address(&known.host, *port)).collect()
    }

    /// A topic as the broker describes it now.
    ///
    /// # Errors
    /// `Broker(UNKNOWN_TOPIC_OR_PARTITION)` if there is none.
    pub async fn topic(&self, name: &str) -> Result<Topic, Error> {
        self.retrying(|| self.find(Wanted::Named(name))).await
    }

    /// All topics, in the order of their names.
    ///
    /// # Errors
    /// If the broker does not answer within [`Builder::retry_for`].
    pub async fn topics(&self) -> Result<Vec<Topic>, Error> {
        let mut all = self.retrying(|| self.ask_topics(Wanted::All)).await?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Calls until it succeeds, the error will not pass, or time is up.
    pub(crate) async fn retrying<T, F>(&self, mut work: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut backoff = Backoff::new(self.options());
        loop {
            match work().await {
                Ok(done) => return Ok(done),
                Err(error) => backoff.again(error).await?,
            }
        }
    }

    /// One topic, all of whose partitions can be addressed. One try.
    pub(crate) async fn find(&self, wanted: Wanted<'_>) -> Result<Topic, Error> {
        let topic = self.ask_topics(wanted).await?.into_iter().next();
        topic
            .ok_or_else(|| Error::new(Kind::Protocol, "the broker describes no topic"))?
            .checked()
    }

    async fn ask_topics(&self, wanted: Wanted<'_>) -> Result<Vec<Topic>, Error> {
        let front = self.front().await?;
        let named = match wanted {
            Wanted::All => None,
            Wanted::Named(name) | Wanted::OrCreate(name) => Some(vec![name.to_owned()]),
        };
        let request = MetadataRequest {
            topics: named,
            create: matches!(wanted, Wanted::OrCreate(_)),
        };
        let asked = |correlation| encode(correlation, 0, &request, Vec::new());
        let reply = front.call(Api::Metadata, asked).await?;
        let response = reply.meta.read::<MetadataResponse>()?;
        check(response.error.to_native(), &response.message, || {
            format!("ask {} for metadata", front.address())
        })?;
        let found = topics(&response.topics);
        self.learn(|known| {
            let each = found.iter().cloned();
            known
                .topics
                .extend(each.map(|topic| (topic.name.clone(), topic)));
        });
        Ok(found)
    }

    fn learn(&self, change: impl FnOnce(&mut Known)) {
        let known = self.shared.known.write();
        change(&mut known.unwrap_or_else(PoisonError::into_inner));
    }

    /// Asks what any core answers, until it succeeds, the error will not pass, or time is up.
    pub(crate) async fn call_front<T>(
        &self,
        api: Api,
        request: &impl Outbound,
        read: impl Fn(&Reply) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.retrying(|| async {
            let front = self.front().await?;
            let asked = |correlation| request.frame(correlation, 0, Vec::new());
            read(&front.call(api, asked).await?)
        })
        .await
    }

    /// The connection for all that any core answers.
    pub(crate) async fn front(&self) -> Result<Connection, Error> {
        let mut front = self.shared.front.lock().await;
        if let Some(open) = front.as_ref().filter(|open| !open.is_ended()) {
            return Ok(open.clone());
        }
        *front = None;
        let open = self.reach().await?;
        *front = Some(open.clone());
        Ok(open)
    }

    /// A connection to the first address that answers; learns who the broker is.
    async fn reach(&self) -> Result<Connection, Error> {
        let mut last = Error::new(Kind::Invalid, "no bootstrap address was given");
        for bootstrap in &self.shared.options.bootstrap {
            match self.open(bootstrap).await {
                Ok(open) => return Ok(open),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(crate) async fn open(&self, to: &str) -> Result<Connection, Error> {
        let open = Connection::open(to, self.options(), self.runtime()).await?;
        let hello = open.hello();
        let host = match hello.host.as_str() {
            "" => to.rsplit_once(':').map_or(to, |(host, _)| host),
            host => host.trim_matches(['[', ']']),
        };
        self.learn(|known| {
            known.node = Some(hello.node);
            known.host = host.to_owned();
            known.ports.clone_from(&hello.ports);
            let topics = hello.topics.iter().cloned();
            known
                .topics
                .extend(topics.map(|topic| (topic.name.clone(), topic)));
        });
        Ok(open)
    }

    /// Where a core is reached.
    pub(crate) fn address(&self, core: CoreId) -> Result<String, Error> {
        let known = self.shared.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        let port = known.ports.get(usize::from(core.0));
        let port = port.ok_or_else(|| {
            // Metadata is older than the broker's last start: it is asked for again.
            let code = Kind::Broker(ErrorCode::LEADER_NOT_AVAILABLE);
            Error::new(code, format!("core {core} has no port"))
        })?;
        Ok(address(&known.host, *port))
    }

    /// The core that owns a partition.
    pub(crate) fn owner(
        &self,
        topic: &Topic,
        partition: corelog_base::PartitionIndex,
    ) -> Result<CoreId, Error> {
        let name = &topic.name;
        let Some(found) = topic.partition(partition) else {
            let count = topic.partitions.len();
            let context = format!("topic '{name}' has no partition {partition}: it has {count}");
            return Err(Error::new(Kind::Invalid, context));
        };
        let known = self.shared.known.read();
        let node = known.unwrap_or_else(PoisonError::into_inner).node;
        if found.leader.is_some() && found.leader == node {
            return Ok(found.core);
        }
        let code = Kind::Broker(ErrorCode::LEADER_NOT_AVAILABLE);
        let context = format!("partition {partition} of '{name}' has no leader here");
        Err(Error::new(code, context))
    }

    /// A connection that calls share, to one core.
    pub(crate) async fn connection(&self, core: CoreId) -> Result<Connection, Error> {
        self.shared.pool.get(self, core).await
    }
}

fn address(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}
