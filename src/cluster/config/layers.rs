//! The layers through which a configuration is found.

use super::describe::ConfigSource;
use super::{Definition, Local, broker_definition};
use crate::image::Configs;

/// What lies below a topic's own configurations, for this node: the broker's dynamic ones, those
/// of all brokers, the configuration file, and the defaults.
///
/// A value that is not legal any more (a version before this one accepted it) is passed over.
#[derive(Clone, Copy, Default)]
pub(crate) struct Layers<'a> {
    pub(crate) broker: Option<&'a Configs>,
    pub(crate) brokers: Option<&'a Configs>,
    pub(crate) local: Option<&'a Local>,
}

impl<'a> Layers<'a> {
    /// Every layer that has a legal value, the one that counts first.
    pub(crate) fn broker_values(
        &self,
        definition: &'static Definition,
    ) -> impl Iterator<Item = (ConfigSource, String)> + use<'a> {
        let of = |configs: Option<&'a Configs>| configs.and_then(|c| c.get(definition.name));
        let layers = [
            (
                ConfigSource::DynamicBroker,
                of(self.broker).map(String::as_str),
            ),
            (
                ConfigSource::DynamicDefaultBroker,
                of(self.brokers).map(String::as_str),
            ),
            (
                ConfigSource::StaticBroker,
                self.local.and_then(|local| local.get(definition.name)),
            ),
            (ConfigSource::Default, definition.default),
        ];
        layers.into_iter().filter_map(|(source, value)| {
            let value = definition.parse(value?).ok()?;
            Some((source, value))
        })
    }

    /// None if no layer has one, not even the default.
    pub(crate) fn broker_value(&self, definition: &'static Definition) -> Option<String> {
        self.broker_values(definition)
            .map(|(_, value)| value)
            .next()
    }

    /// What counts for a topic that has these configurations.
    pub(crate) fn topic_value(&self, configs: &Configs, definition: &'static Definition) -> String {
        self.topic_values(configs, definition)
            .map(|found| found.value)
            .next()
            .expect("every topic configuration has a default")
    }

    /// Every value that a topic's configuration has in some layer, the one that counts first.
    pub(crate) fn topic_values(
        &self,
        configs: &Configs,
        definition: &'static Definition,
    ) -> impl Iterator<Item = Found> + use<'a> {
        let own = configs
            .get(definition.name)
            .and_then(|value| definition.parse(value).ok())
            .map(|value| Found {
                source: ConfigSource::DynamicTopic,
                name: definition.name,
                written: value.clone(),
                value,
            });
        let layers = *self;
        let below = definition.synonyms.iter().flat_map(move |(name, factor)| {
            let synonym = broker_definition(name).expect("a name of the table");
            layers
                .broker_values(synonym)
                .map(move |(source, written)| Found {
                    source,
                    name: synonym.name,
                    value: scale(&written, *factor),
                    written,
                })
        });
        let default = definition.default.map(|value| Found {
            source: ConfigSource::Default,
            name: definition.name,
            value: value.to_string(),
            written: value.to_string(),
        });
        // The synonyms' own default is the topic's, so it stands in for it.
        let default = default.filter(|_| definition.synonyms.is_empty());
        own.into_iter().chain(below).chain(default)
    }
}

/// A value in one layer.
pub(crate) struct Found {
    pub(crate) source: ConfigSource,
    /// Of the configuration that has it: the topic's, or a broker's synonym.
    pub(crate) name: &'static str,
    /// In the topic's unit.
    pub(crate) value: String,
    /// In the unit of `name`.
    pub(crate) written: String,
}

/// Hours or minutes in milliseconds; -1 stays "no bound".
fn scale(value: &str, factor: i64) -> String {
    match value.parse::<i64>() {
        Ok(number) if factor != 1 && number >= 0 => number.saturating_mul(factor).to_string(),
        _ => value.to_string(),
    }
}
