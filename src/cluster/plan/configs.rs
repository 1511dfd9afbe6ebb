//! Configurations of topics and brokers change.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::NodeId;

use crate::config::{
    Access, ConfigType, Definition, Layers, broker_definition, find_topic_definition, nearest,
};
use crate::record::{ConfigScope, ConfigsChanged, Record};
use crate::{Error, Image, Kind, broker_definitions, topic_definitions};

/// What configurations belong to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ConfigResource {
    /// By name.
    Topic(String),
    /// All brokers: Kafka's BROKER with an empty name.
    Brokers,
    Broker(NodeId),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigOperation {
    Set,
    /// Back to what the layer below says.
    Delete,
    /// Adds elements to a list.
    Append,
    /// Removes elements from a list.
    Subtract,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigChange {
    pub name: String,
    pub operation: ConfigOperation,
    /// As sent; None is refused but by `Delete`.
    pub value: Option<String>,
}

/// A legal topic configuration and its value in normal form.
pub(super) fn topic_config(
    name: &str,
    value: Option<&str>,
) -> Result<(&'static Definition, String), Error> {
    let Some(definition) = find_topic_definition(name) else {
        let known = topic_definitions().iter().map(|d| d.name);
        return Err(unknown("topic", name, known));
    };
    Ok((definition, parse(definition, value)?))
}

fn unknown(whose: &str, name: &str, known: impl Iterator<Item = &'static str>) -> Error {
    let hint = match nearest(name, known) {
        Some(known) => format!(": did you mean {known}?"),
        None => String::new(),
    };
    let why = format!("there is no {whose} configuration {name}{hint}");
    Error::new(Kind::InvalidConfig, why)
}

fn parse(definition: &Definition, value: Option<&str>) -> Result<String, Error> {
    let Some(value) = value else {
        let why = format!("configuration {} has no value", definition.name);
        return Err(Error::new(Kind::InvalidConfig, why));
    };
    let parsed = definition.parse(value);
    parsed.map_err(|why| Error::new(Kind::InvalidConfig, why))
}

/// Of replicas on the move (KIP-73, KIP-455).
const THROTTLES: [&str; 3] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

/// What the changes are made on.
struct Target<'a> {
    scope: ConfigScope,
    /// What is set there now.
    current: &'a BTreeMap<String, String>,
}

/// The record that changes configurations; none if nothing changes. With `replace` the changes,
/// all `Set`, are all that there is: what is not named goes back to its default.
///
/// # Errors
/// `UnknownTopic`, `InvalidConfig`, `InvalidRequest`.
pub fn plan_configs(
    image: &Image,
    resource: &ConfigResource,
    changes: &[ConfigChange],
    replace: bool,
) -> Result<Vec<Record>, Error> {
    let empty = BTreeMap::new();
    let target = target(image, resource, &empty)?;
    let mut wanted = match replace {
        true => BTreeMap::new(),
        false => target.current.clone(),
    };
    let mut seen = BTreeSet::new();
    for change in changes {
        if !seen.insert(change.name.as_str()) {
            let why = format!("configuration {} is changed twice", change.name);
            return Err(Error::new(Kind::InvalidRequest, why));
        }
        if is_of_kafka_only(change) {
            continue;
        }
        let definition = definition(&target, change)?;
        match operate(image, &target, definition, change)? {
            Some(value) => wanted.insert(definition.name.to_string(), value),
            None => wanted.remove(definition.name),
        };
    }
    let changes = difference(target.current, wanted);
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Record::ConfigsChanged(ConfigsChanged {
        scope: target.scope,
        changes,
    })])
}

/// Kafka's tools remove the throttles of moving replicas, whether there are any or not: a name of
/// theirs that is nobody's here is not set, and stays so. A misspelt one is refused.
fn is_of_kafka_only(change: &ConfigChange) -> bool {
    change.operation == ConfigOperation::Delete && THROTTLES.contains(&change.name.as_str())
}

fn difference(
    current: &BTreeMap<String, String>,
    wanted: BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let gone = current.keys().filter(|name| !wanted.contains_key(*name));
    let mut changes: BTreeMap<String, Option<String>> =
        gone.map(|name| (name.clone(), None)).collect();
    let set = wanted
        .into_iter()
        .filter(|(name, value)| current.get(name) != Some(value));
    changes.extend(set.map(|(name, value)| (name, Some(value))));
    changes
}

fn target<'a>(
    image: &'a Image,
    resource: &ConfigResource,
    empty: &'a BTreeMap<String, String>,
) -> Result<Target<'a>, Error> {
    Ok(match resource {
        ConfigResource::Topic(name) => {
            let Some(topic) = image.topic_named(name) else {
                return Err(Error::new(
                    Kind::UnknownTopic,
                    format!("there is no topic {name}"),
                ));
            };
            Target {
                scope: ConfigScope::Topic(topic.id),
                current: topic.configs(),
            }
        }
        ConfigResource::Brokers => Target {
            scope: ConfigScope::Brokers,
            current: image.brokers_configs(),
        },
        ConfigResource::Broker(node) if image.node(*node).is_none() => {
            let why = format!("broker {node} is not registered");
            return Err(Error::new(Kind::InvalidRequest, why));
        }
        ConfigResource::Broker(node) => Target {
            scope: ConfigScope::Broker(*node),
            current: image.broker_configs(*node).unwrap_or(empty),
        },
    })
}

fn definition(target: &Target<'_>, change: &ConfigChange) -> Result<&'static Definition, Error> {
    let name = change.name.as_str();
    if let ConfigScope::Topic(_) = target.scope {
        let known = topic_definitions().iter().map(|d| d.name);
        return find_topic_definition(name).ok_or_else(|| unknown("topic", name, known));
    }
    let dynamic = broker_definitions()
        .iter()
        .filter(|d| d.access == Access::Dynamic);
    match broker_definition(name) {
        Some(definition) if definition.access == Access::Dynamic => Ok(definition),
        Some(definition) => {
            let how = match definition.access {
                Access::File => "set it in the configuration file, under [broker], and restart",
                _ => definition.documentation,
            };
            let why = format!("{name} cannot be changed while the broker runs: {how}");
            Err(Error::new(Kind::InvalidRequest, why))
        }
        None => Err(unknown("broker", name, dynamic.map(|d| d.name))),
    }
}

/// The value after a change; None removes it.
fn operate(
    image: &Image,
    target: &Target<'_>,
    definition: &'static Definition,
    change: &ConfigChange,
) -> Result<Option<String>, Error> {
    let value = change.value.as_deref();
    let add = match change.operation {
        ConfigOperation::Delete => return Ok(None),
        ConfigOperation::Set => return parse(definition, value).map(Some),
        ConfigOperation::Append => true,
        ConfigOperation::Subtract => false,
    };
    if definition.kind != ConfigType::List {
        let why = format!(
            "{} is no list: it can be set and deleted, not appended to or subtracted from",
            definition.name
        );
        return Err(Error::new(Kind::InvalidConfig, why));
    }
    let Some(value) = value else {
        let why = format!("configuration {} has no value", definition.name);
        return Err(Error::new(Kind::InvalidConfig, why));
    };
    let current = current(image, target, definition);
    let mut elements: Vec<&str> = split(&current).collect();
    for element in split(value) {
        match (add, elements.contains(&element)) {
            (true, false) => elements.push(element),
            (false, true) => elements.retain(|have| *have != element),
            _ => {}
        }
    }
    parse(definition, Some(&elements.join(","))).map(Some)
}

/// What a list is added to: what counts now, from whatever layer.
fn current(image: &Image, target: &Target<'_>, definition: &'static Definition) -> String {
    if let Some(value) = target.current.get(definition.name) {
        return value.clone();
    }
    match target.scope {
        ConfigScope::Topic(_) => image.layers().topic_value(target.current, definition),
        ConfigScope::Brokers | ConfigScope::Broker(_) => {
            let layers = Layers {
                broker: None,
                ..image.layers()
            };
            layers.broker_value(definition).unwrap_or_default()
        }
    }
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}
