//! Finding the topic, its leaders, and what the cluster says about its durability.

use std::collections::BTreeMap;

use corelog_base::{NodeId, PartitionIndex, TimestampMs};
use corelog_client::{
    Client, ConfigResource, Connection, Isolation, NewTopic, OffsetAt, Options, TopicFilter,
    TopicMetadata, TopicPartition,
};
use corelog_wire::kafka::{ApiKey, ErrorCode};

use super::{CLIENT_ID, Lane, Reader};
use crate::driver;
use crate::payload::Template;
use crate::settings::Target;
use crate::spread::{Share, Span, divide, spread};
use crate::{Error, Kind, Settings};

/// Up to these versions, topics go by name.
const PRODUCE_VERSION_MAX: i16 = 12;
const FETCH_VERSION_MAX: i16 = 12;

#[derive(Debug)]
pub(crate) struct Layout {
    leaders: Vec<Leader>,
    pub(crate) durability: Vec<(String, String)>,
}

/// One broker, and which of the topic's partitions it leads.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub address: String,
    pub partitions: Vec<Span>,
    pub produce_version: i16,
    pub fetch_version: i16,
}

impl Layout {
    /// # Errors
    /// If the cluster cannot be reached, or refuses; `Usage` if the topic has too few partitions.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("start a runtime"))?;
        runtime.block_on(Self::find(&settings.target))
    }

    async fn find(target: &Target) -> Result<Self, Error> {
        let options = Options {
            client_id: CLIENT_ID.to_owned(),
            ..Options::default()
        };
        let client = Client::connect(&target.bootstrap, options).await?;
        let topic = find_or_create(&client, target).await?;
        let mut leaders: BTreeMap<NodeId, Vec<PartitionIndex>> = BTreeMap::new();
        for index in 0..target.partitions {
            let index = PartitionIndex(index);
            let known = topic.partitions.get(&index);
            let Some(leader) = known.and_then(|partition| partition.leader) else {
                let why = format!("partition {index} of '{}' has no leader", target.topic);
                return Err(Error::new(Kind::Refused, why));
            };
            leaders.entry(leader).or_default().push(index);
        }
        let spans = spans(&client, target).await?;
        let mut layout = Self {
            leaders: Vec::new(),
            durability: durability(&client, target, &topic).await,
        };
        for (node, indexes) in leaders {
            let of_leader = indexes.iter().filter_map(|index| spans.get(index).copied());
            let leader = leader(&client, node, of_leader.collect()).await?;
            layout.leaders.push(leader);
        }
        Ok(layout)
    }

    pub(crate) fn lanes(&self, settings: &Settings, run: u64) -> Result<Vec<Lane>, Error> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(0));
        let load = &settings.load;
        let shares = spread(&self.spans(), load.connections);
        let each = (1..).zip(shares).map(|(seed, share)| {
            let template = Template::new(load, run, TimestampMs(now), seed)?;
            Lane::new(
                &self.leader(share),
                &settings.target.topic,
                load.acks,
                template,
            )
        });
        each.collect()
    }

    pub(crate) fn readers(&self, settings: &Settings) -> Result<Vec<Reader>, Error> {
        let history = settings.mode.reads_history();
        // Unlike a producer, a consumer has a partition for itself.
        let shares = divide(&self.spans(), settings.load.consumers);
        let each = shares.into_iter();
        each.map(|share| Reader::new(&self.leader(share), &settings.target.topic, history))
            .collect()
    }

    /// A leader with the partitions of one connection.
    fn leader(&self, share: Share) -> Leader {
        Leader {
            partitions: share.partitions,
            ..self.leaders[share.owner].clone()
        }
    }

    fn spans(&self) -> Vec<&[Span]> {
        let all = self.leaders.iter();
        all.map(|leader| leader.partitions.as_slice()).collect()
    }
}

async fn find_or_create(client: &Client, target: &Target) -> Result<TopicMetadata, Error> {
    let name = target.topic.as_str();
    let found = client.metadata(TopicFilter::Named(&[name])).await?;
    let missing = found
        .topics
        .get(name)
        .is_none_or(|topic| topic.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    if missing {
        let topic = NewTopic {
            name: name.to_owned(),
            partitions: Some(target.partitions),
            replicas: None,
            configs: Vec::new(),
        };
        for (_, outcome) in client.create_topics(&[topic], false).await? {
            outcome?;
        }
    }
    let mut topics = client.topics(TopicFilter::Named(&[name])).await?;
    let topic = topics.remove(name).ok_or_else(|| {
        Error::new(
            Kind::Protocol,
            format!("the cluster names no topic '{name}'"),
        )
    })?;
    let has = topic.partitions.len();
    if i32::try_from(has).is_ok_and(|has| has < target.partitions) {
        return Err(Error::usage(format!(
            "topic '{name}' has {has} partitions, not {}",
            target.partitions
        )));
    }
    Ok(topic)
}

async fn spans(client: &Client, target: &Target) -> Result<BTreeMap<PartitionIndex, Span>, Error> {
    let ask = async |at: OffsetAt| {
        let partitions = (0..target.partitions).map(|index| {
            let partition = TopicPartition::new(&target.topic, PartitionIndex(index));
            (partition, at)
        });
        let answers = client.list_offsets(partitions.collect(), Isolation::Uncommitted);
        let mut found = BTreeMap::new();
        for (partition, offset) in answers.await {
            let offset = offset?.offset.unwrap_or_default();
            found.insert(partition.partition, offset);
        }
        Ok::<_, Error>(found)
    };
    let first = ask(OffsetAt::Earliest).await?;
    let end = ask(OffsetAt::Latest).await?;
    let spans = first.into_iter().filter_map(|(index, first)| {
        let end = *end.get(&index)?;
        Some((index, Span { index, first, end }))
    });
    Ok(spans.collect())
}

async fn leader(client: &Client, node: NodeId, partitions: Vec<Span>) -> Result<Leader, Error> {
    let known = client.known();
    let Some(broker) = known.brokers.get(&node) else {
        let why = format!("broker {node} leads partitions but is not known");
        return Err(Error::new(Kind::Refused, why));
    };
    let address = broker.address();
    let connection = Connection::open(&address, client.options()).await?;
    let versions = connection.versions();
    Ok(Leader {
        address,
        partitions,
        produce_version: versions.pick(ApiKey::Produce, 3..=PRODUCE_VERSION_MAX)?,
        fetch_version: versions.pick(ApiKey::Fetch, 4..=FETCH_VERSION_MAX)?,
    })
}

/// What can be learnt; a cluster that does not say leaves its part out.
async fn durability(
    client: &Client,
    target: &Target,
    topic: &TopicMetadata,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let replicas = topic.partitions.values().map(|p| p.replicas.len()).min();
    if let Some(replicas) = replicas {
        all.push(("replicas".to_owned(), replicas.to_string()));
    }
    let mut resources = vec![("topic", ConfigResource::Topic(target.topic.clone()))];
    let known = client.known();
    if let Some(node) = known.brokers.keys().next() {
        resources.push(("broker", ConfigResource::Broker(*node)));
    }
    for (whose, resource) in resources {
        let entries = client.describe_configs(&resource).await.unwrap_or_default();
        let told = entries.into_iter();
        all.extend(told.filter_map(|entry| driver::durability(whose, &entry.name, entry.value)));
    }
    all
}
