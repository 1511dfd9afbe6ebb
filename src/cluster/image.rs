//! The metadata as it stands: all records so far, applied.

use std::collections::BTreeMap;
use std::sync::Arc;

use corelog_base::{GroupId, NodeId, PartitionIndex, TopicId};

use crate::config::{Layers, Local};
use crate::names::collision_key;
use crate::record::{ConfigScope, ConfigsChanged, Node, Partition, Record, Snapshot, TopicCreated};
use crate::{BrokerSettings, ClusterId, TopicSettings};

pub(crate) type Configs = BTreeMap<String, String>;

/// What a record changed, for whoever keeps groups, logs and connections.
#[must_use]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A snapshot: look at everything anew.
    Everything,
    TopicCreated {
        topic: TopicId,
    },
    PartitionsAdded {
        topic: TopicId,
    },
    /// The groups that went with it.
    TopicDeleted {
        topic: TopicId,
        groups: Vec<(PartitionIndex, GroupId)>,
    },
    TopicConfigured {
        topic: TopicId,
    },
    /// Configurations of brokers: every topic's settings may be others now.
    BrokersConfigured,
    /// Nothing that a group depends on.
    Nothing,
}

/// A topic, its partitions, and its settings resolved through all layers of configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct Topic {
    pub id: TopicId,
    pub name: String,
    partitions: Vec<Partition>,
    configs: Configs,
    settings: TopicSettings,
}

impl Topic {
    /// In order of their indexes.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    pub fn partition(&self, index: PartitionIndex) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index.0).ok()?)
    }

    /// Never 0 and at most [`crate::PARTITIONS_PER_TOPIC_MAX`].
    pub fn partition_count(&self) -> u32 {
        u32::try_from(self.partitions.len()).expect("plans bound the partitions of a topic")
    }

    /// How many replicas the first partition has.
    pub fn replication(&self) -> usize {
        self.partitions.first().map_or(0, |p| p.replicas.len())
    }

    /// What was set on the topic itself.
    pub fn configs(&self) -> &BTreeMap<String, String> {
        &self.configs
    }

    pub fn settings(&self) -> &TopicSettings {
        &self.settings
    }
}

/// The cluster's metadata. Every core has its own; a clone shares the topics.
#[derive(Clone, PartialEq, Debug)]
pub struct Image {
    /// What this node's own configuration says; no part of the metadata.
    local: Arc<Local>,
    cluster: Option<ClusterId>,
    nodes: BTreeMap<NodeId, Node>,
    topics: BTreeMap<TopicId, Arc<Topic>>,
    names: BTreeMap<Arc<str>, TopicId>,
    /// Names with '.' as '_', which must be different too.
    collisions: BTreeMap<String, TopicId>,
    brokers: Configs,
    broker: BTreeMap<NodeId, Configs>,
    settings: BrokerSettings,
    features: BTreeMap<String, u16>,
    next_group: GroupId,
    next_replica: u64,
    next_producer: i64,
    partition_count: u64,
}

impl Default for Image {
    fn default() -> Self {
        Self::new(Arc::new(Local::default()))
    }
}

impl Image {
    /// Without any record yet.
    pub fn new(local: Arc<Local>) -> Self {
        let mut image = Self {
            local,
            cluster: None,
            nodes: BTreeMap::new(),
            topics: BTreeMap::new(),
            names: BTreeMap::new(),
            collisions: BTreeMap::new(),
            brokers: Configs::new(),
            broker: BTreeMap::new(),
            settings: BrokerSettings::resolve(&Layers::default()),
            features: BTreeMap::new(),
            // 0 is the metadata's own group, and no replica's id.
            next_group: GroupId(1),
            next_replica: 1,
            next_producer: 0,
            partition_count: 0,
        };
        image.settings = BrokerSettings::resolve(&image.layers());
        image
    }

    /// None until the cluster's first record.
    pub fn cluster_id(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// By id.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// By name.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.names.values().filter_map(|id| self.topic(*id))
    }

    pub fn topic(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(&id).map(|topic| &**topic)
    }

    pub fn topic_named(&self, name: &str) -> Option<&Topic> {
        self.names.get(name).and_then(|id| self.topic(*id))
    }

    /// Another topic whose name differs only in '.' and '_'.
    pub(crate) fn colliding(&self, name: &str) -> Option<&Topic> {
        let id = self.collisions.get(&collision_key(name))?;
        self.topic(*id)
    }

    /// Of all topics.
    pub fn partition_count(&self) -> u64 {
        self.partition_count
    }

    /// A topic's settings; those of a topic without configurations if there is none.
    pub fn settings(&self, topic: TopicId) -> TopicSettings {
        match self.topic(topic) {
            Some(topic) => topic.settings.clone(),
            None => TopicSettings::resolve(&Configs::new(), &self.layers()),
        }
    }

    pub fn broker_settings(&self) -> &BrokerSettings {
        &self.settings
    }

    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Set for every broker of the cluster.
    pub fn brokers_configs(&self) -> &BTreeMap<String, String> {
        &self.brokers
    }

    /// Set for one broker.
    pub fn broker_configs(&self, node: NodeId) -> Option<&BTreeMap<String, String>> {
        self.broker.get(&node)
    }

    /// Finalised features and their levels.
    pub fn features(&self) -> &BTreeMap<String, u16> {
        &self.features
    }

    /// Every group below was given out; ids are never reused.
    pub fn next_group(&self) -> GroupId {
        self.next_group
    }

    pub(crate) fn next_replica(&self) -> u64 {
        self.next_replica
    }

    pub(crate) fn next_producer(&self) -> i64 {
        self.next_producer
    }

    pub(crate) fn layers(&self) -> Layers<'_> {
        Layers {
            broker: self.broker.get(&self.local.node()),
            brokers: Some(&self.brokers),
            local: Some(&self.local),
        }
    }

    /// Applies a committed record.
    ///
    /// # Panics
    /// If the record contradicts the image (a topic that is not there, partitions with a gap):
    /// records are planned against the very image that they change, so that is a bug.
    pub fn apply(&mut self, record: &Record) -> Change {
        match record {
            Record::Cluster(id) => {
                assert!(
                    self.cluster.is_none_or(|known| known == *id),
                    "one id for ever"
                );
                self.cluster = Some(*id);
                Change::Nothing
            }
            Record::Node(node) => {
                self.nodes.insert(node.id, node.clone());
                Change::Nothing
            }
            Record::TopicCreated(created) => {
                self.insert(created);
                Change::TopicCreated { topic: created.id }
            }
            Record::PartitionsAdded { topic, partitions } => {
                self.add_partitions(*topic, partitions);
                Change::PartitionsAdded { topic: *topic }
            }
            Record::TopicDeleted(topic) => self.remove(*topic),
            Record::ConfigsChanged(changed) => self.configure(changed),
            Record::ProducerIds { next } => {
                assert!(
                    *next >= self.next_producer,
                    "producer ids are never given twice"
                );
                self.next_producer = *next;
                Change::Nothing
            }
            Record::Feature { name, level } => {
                self.features.insert(name.clone(), *level);
                Change::Nothing
            }
            Record::Snapshot(snapshot) => {
                self.restore(snapshot);
                Change::Everything
            }
        }
    }

    fn insert(&mut self, created: &TopicCreated) {
        self.count(0, &created.partitions);
        let topic = Topic {
            id: created.id,
            name: created.name.clone(),
            partitions: created.partitions.clone(),
            configs: created.configs.clone(),
            settings: TopicSettings::resolve(&created.configs, &self.layers()),
        };
        let taken = self.names.insert(created.name.as_str().into(), created.id);
        assert!(taken.is_none(), "a name belongs to one topic");
        self.collisions
            .insert(collision_key(&created.name), created.id);
        let taken = self.topics.insert(created.id, Arc::new(topic));
        assert!(taken.is_none(), "an id is never reused");
    }

    fn add_partitions(&mut self, id: TopicId, partitions: &[Partition]) {
        let first = self.topic(id).map(Topic::partition_count);
        self.count(first.expect("partitions are added to a topic"), partitions);
        let topic = self.topics.get_mut(&id).expect("it was there");
        Arc::make_mut(topic)
            .partitions
            .extend_from_slice(partitions);
    }

    /// Takes new partitions into account: their indexes follow each other from `first` on.
    fn count(&mut self, first: u32, partitions: &[Partition]) {
        for (partition, index) in partitions.iter().zip(first..) {
            assert_eq!(i64::from(partition.index.0), i64::from(index), "no gaps");
            let after = GroupId(partition.group.0 + 1);
            self.next_group = self.next_group.max(after);
            for replica in &partition.replicas {
                self.next_replica = self.next_replica.max(replica.id + 1);
            }
        }
        self.partition_count += partitions.len() as u64;
    }

    fn remove(&mut self, id: TopicId) -> Change {
        let topic = self
            .topics
            .remove(&id)
            .expect("a topic that is there is deleted");
        self.names.remove(topic.name.as_str());
        self.collisions.remove(&collision_key(&topic.name));
        self.partition_count -= topic.partitions.len() as u64;
        Change::TopicDeleted {
            topic: id,
            groups: topic
                .partitions
                .iter()
                .map(|p| (p.index, p.group))
                .collect(),
        }
    }

    fn configure(&mut self, changed: &ConfigsChanged) -> Change {
        let change = |configs: &mut Configs| {
            for (name, value) in &changed.changes {
                match value {
                    Some(value) => configs.insert(name.clone(), value.clone()),
                    None => configs.remove(name),
                };
            }
        };
        match changed.scope {
            ConfigScope::Topic(id) => {
                let topic = self.topics.get_mut(&id).expect("the topic is there");
                let mut topic = Topic::clone(topic);
                change(&mut topic.configs);
                topic.settings = TopicSettings::resolve(&topic.configs, &self.layers());
                self.topics.insert(id, Arc::new(topic));
                return Change::TopicConfigured { topic: id };
            }
            ConfigScope::Brokers => change(&mut self.brokers),
            ConfigScope::Broker(node) => {
                let configs = self.broker.entry(node).or_default();
                change(configs);
                if configs.is_empty() {
                    self.broker.remove(&node);
                }
            }
        }
        self.resolve_all();
        Change::BrokersConfigured
    }

    /// After a change of the layers below the topics' own.
    fn resolve_all(&mut self) {
        self.settings = BrokerSettings::resolve(&self.layers());
        let mut topics = std::mem::take(&mut self.topics);
        for topic in topics.values_mut() {
            let settings = TopicSettings::resolve(&topic.configs, &self.layers());
            if settings != topic.settings {
                Arc::make_mut(topic).settings = settings;
            }
        }
        self.topics = topics;
    }

    /// Everything as one record; applying it to any image gives this one.
    pub fn snapshot(&self) -> Record {
        let topic = |topic: &Topic| TopicCreated {
            id: topic.id,
            name: topic.name.clone(),
            partitions: topic.partitions.clone(),
            configs: topic.configs.clone(),
        };
        Record::Snapshot(Box::new(Snapshot {
            cluster: self.cluster,
            nodes: self.nodes.values().cloned().collect(),
            topics: self.topics().map(topic).collect(),
            brokers: self.brokers.clone(),
            broker: self.broker.clone(),
            features: self.features.clone(),
            next_group: self.next_group,
            next_replica: self.next_replica,
            next_producer: self.next_producer,
        }))
    }

    fn restore(&mut self, snapshot: &Snapshot) {
        let mut image = Image::new(Arc::clone(&self.local));
        image.cluster = snapshot.cluster;
        let nodes = snapshot.nodes.iter().map(|node| (node.id, node.clone()));
        image.nodes = nodes.collect();
        image.brokers = snapshot.brokers.clone();
        image.broker = snapshot.broker.clone();
        image.settings = BrokerSettings::resolve(&image.layers());
        image.features = snapshot.features.clone();
        for topic in &snapshot.topics {
            image.insert(topic);
        }
        assert!(
            image.next_group <= snapshot.next_group,
            "ids are never reused"
        );
        assert!(
            image.next_replica <= snapshot.next_replica,
            "ids are never reused"
        );
        image.next_group = snapshot.next_group;
        image.next_replica = snapshot.next_replica;
        image.next_producer = snapshot.next_producer;
        *self = image;
    }
}

#[cfg(test)]
#[path = "image_test.rs"]
mod tests;
