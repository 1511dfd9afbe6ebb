//! Finding the topic, the cores that own its partitions, and what the broker says about its durability.

use std::collections::BTreeMap;

use corelog_base::{CoreId, Offset, PartitionIndex, TimestampMs, TopicId};
use corelog_native::{Client, ErrorCode, NewTopic, Position, Topic};

use super::{CLIENT_NAME, Lane, Reader};
use crate::driver;
use crate::payload::Template;
use crate::settings::Target;
use crate::spread::{Share, Span, divide, spread};
use crate::{Error, Kind, Settings};

#[derive(Debug)]
pub(crate) struct Layout {
    owners: Vec<Owner>,
    pub(crate) durability: Vec<(String, String)>,
}

/// One core, and which of the topic's partitions it owns.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub address: String,
    pub topic: TopicId,
    pub partitions: Vec<Span>,
}

impl Layout {
    /// # Errors
    /// If the broker cannot be reached, or refuses; `Usage` if the topic has too few partitions.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("start a runtime"))?;
        runtime.block_on(Self::find(&settings.target))
    }

    async fn find(target: &Target) -> Result<Self, Error> {
        let mut builder = Client::builder().name(CLIENT_NAME);
        for address in &target.bootstrap {
            builder = builder.bootstrap(address);
        }
        let client = builder.connect().await?;
        let topic = find_or_create(&client, target).await?;
        let spans = spans(&client, target).await?;
        let addresses = client.addresses();
        let mut by_core: BTreeMap<CoreId, Vec<Span>> = BTreeMap::new();
        for span in spans {
            let owner = topic.partitions.iter().find(|p| p.index == span.index);
            let Some(owner) = owner.filter(|partition| partition.leader.is_some()) else {
                let (index, name) = (span.index, &target.topic);
                let why = format!("partition {index} of '{name}' has no leader");
                return Err(Error::new(Kind::Refused, why));
            };
            by_core.entry(owner.core).or_default().push(span);
        }
        let owners = by_core.into_iter().map(|(core, partitions)| {
            let address = addresses.get(usize::from(core.0));
            let address = address
                .ok_or_else(|| Error::new(Kind::Protocol, format!("core {core} has no address")))?;
            Ok(Owner {
                address: address.clone(),
                topic: topic.id,
                partitions,
            })
        });
        Ok(Self {
            owners: owners.collect::<Result<_, Error>>()?,
            durability: durability(&client, &target.topic).await,
        })
    }

    pub(crate) fn lanes(&self, settings: &Settings, run: u64) -> Result<Vec<Lane>, Error> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(0));
        let load = &settings.load;
        let shares = spread(&self.spans(), load.connections);
        let each = (1..).zip(shares).map(|(seed, share)| {
            let template = Template::new(load, run, TimestampMs(now), seed)?;
            Ok(Lane::new(self.owner(share), load.acks, template))
        });
        each.collect()
    }

    pub(crate) fn readers(&self, settings: &Settings) -> Result<Vec<Reader>, Error> {
        let history = settings.mode.reads_history();
        let shares = divide(&self.spans(), settings.load.consumers);
        let each = shares.into_iter();
        each.map(|share| Reader::new(&self.owner(share), history))
            .collect()
    }

    fn spans(&self) -> Vec<&[Span]> {
        let all = self.owners.iter();
        all.map(|owner| owner.partitions.as_slice()).collect()
    }

    /// An owner with the partitions of one connection.
    fn owner(&self, share: Share) -> Owner {
        Owner {
            partitions: share.partitions,
            ..self.owners[share.owner].clone()
        }
    }
}

async fn find_or_create(client: &Client, target: &Target) -> Result<Topic, Error> {
    let name = target.topic.as_str();
    let new = NewTopic::new().partitions(target.partitions);
    let exists = ErrorCode::TOPIC_ALREADY_EXISTS.0;
    match client.create_topic(name, new).await {
        Err(error) if error.code() != Some(exists) => return Err(error.into()),
        _ => {}
    }
    let topic = client.topic(name).await?;
    let has = topic.partitions.len();
    if i32::try_from(has).is_ok_and(|has| has < target.partitions) {
        return Err(Error::usage(format!(
            "topic '{name}' has {has} partitions, not {}",
            target.partitions
        )));
    }
    Ok(topic)
}

async fn spans(client: &Client, target: &Target) -> Result<Vec<Span>, Error> {
    let ask = async |position: Position| {
        let wanted = (0..target.partitions).map(|index| (PartitionIndex(index), position));
        client.offsets(&target.topic, &wanted.collect()).await
    };
    let first = ask(Position::Earliest).await?;
    let end: BTreeMap<PartitionIndex, Offset> = ask(Position::Latest).await?;
    let spans = first.into_iter().filter_map(|(index, first)| {
        let end = *end.get(&index)?;
        Some(Span { index, first, end })
    });
    Ok(spans.collect())
}

/// What can be learnt; a broker that does not say is left without.
async fn durability(client: &Client, topic: &str) -> Vec<(String, String)> {
    let Ok(told) = client.describe_topic(topic).await else {
        return Vec::new();
    };
    let mut all = vec![("replicas".to_owned(), told.replicas.to_string())];
    let configs = told.configs.into_iter();
    all.extend(
        configs.filter_map(|config| driver::durability("topic", &config.name, config.value)),
    );
    all
}
