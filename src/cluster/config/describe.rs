//! What DescribeConfigs tells: every configuration with its value, source and synonyms.

use corelog_base::NodeId;

use super::{Access, ConfigType, Definition, Layers, broker_definitions, topic_definitions};
use crate::{Image, Topic};

/// Where a value comes from. The names and the order are Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ConfigSource {
    /// Set on the topic.
    DynamicTopic,
    /// Set on this broker while it runs.
    DynamicBroker,
    /// Set on all brokers while they run.
    DynamicDefaultBroker,
    /// From the node's configuration file or command line.
    StaticBroker,
    Default,
}

/// One of the values that count for a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigSynonym {
    pub name: &'static str,
    /// None if it must not be shown.
    pub value: Option<String>,
    pub source: ConfigSource,
}

/// A configuration as clients are told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedConfig {
    pub name: &'static str,
    /// None if there is none, or it must not be shown.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub kind: ConfigType,
    pub read_only: bool,
    pub sensitive: bool,
    /// The value that counts first, then what would count without it.
    pub synonyms: Vec<ConfigSynonym>,
    pub documentation: &'static str,
}

impl Image {
    /// Every configuration of a topic.
    pub fn describe_topic(&self, topic: &Topic) -> Vec<DescribedConfig> {
        let layers = self.layers();
        let describe = |definition: &'static Definition| {
            let found = layers.topic_values(topic.configs(), definition);
            let (values, synonyms) = found
                .map(|found| {
                    let synonym = ConfigSynonym {
                        name: found.name,
                        value: Some(found.written),
                        source: found.source,
                    };
                    (found.value, synonym)
                })
                .unzip();
            described(definition, values, synonyms)
        };
        topic_definitions().iter().map(describe).collect()
    }

    /// Every configuration of a broker. The file of another node is not known here: its values
    /// are told without that layer.
    pub fn describe_broker(&self, node: NodeId) -> Vec<DescribedConfig> {
        let layers = Layers {
            broker: self.broker_configs(node),
            brokers: Some(self.brokers_configs()),
            local: (node == self.local().node()).then(|| self.local()),
        };
        let describe = |definition: &'static Definition| {
            let (values, synonyms) = layers
                .broker_values(definition)
                .map(|(source, value)| {
                    let synonym = ConfigSynonym {
                        name: definition.name,
                        value: Some(value.clone()),
                        source,
                    };
                    (value, synonym)
                })
                .unzip();
            described(definition, values, synonyms)
        };
        broker_definitions().iter().map(describe).collect()
    }

    /// What is set for all brokers (Kafka's resource BROKER with an empty name), and only that.
    pub fn describe_brokers(&self) -> Vec<DescribedConfig> {
        let set = broker_definitions().iter().filter_map(|definition| {
            let value = self.brokers_configs().get(definition.name)?;
            let synonym = ConfigSynonym {
                name: definition.name,
                value: Some(value.clone()),
                source: ConfigSource::DynamicDefaultBroker,
            };
            Some(described(definition, vec![value.clone()], vec![synonym]))
        });
        set.collect()
    }
}

fn described(
    definition: &'static Definition,
    values: Vec<String>,
    mut synonyms: Vec<ConfigSynonym>,
) -> DescribedConfig {
    let sensitive = definition.kind == ConfigType::Password;
    if sensitive {
        synonyms.iter_mut().for_each(|synonym| synonym.value = None);
    }
    DescribedConfig {
        name: definition.name,
        value: values.into_iter().next().filter(|_| !sensitive),
        source: synonyms.first().map_or(ConfigSource::Default, |s| s.source),
        kind: definition.kind,
        read_only: matches!(definition.access, Access::Told | Access::File),
        sensitive,
        synonyms,
        documentation: definition.documentation,
    }
}
