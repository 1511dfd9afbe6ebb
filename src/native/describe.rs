//! What holds for a topic.

use corelog_wire::kafka::ConfigSource;
use corelog_wire::native::Api;
use corelog_wire::native::v1::{DescribeTopicRequest, DescribeTopicResponse};

use crate::error::check;
use crate::{Client, Error};

/// The settings of a topic, whether set for it or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicDescription {
    /// Copies of each partition; of the one that has the fewest, if they differ.
    pub replicas: i16,
    /// In the order of their names.
    pub configs: Vec<TopicConfig>,
}

/// A setting as it holds for a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicConfig {
    /// Its name in Kafka, such as `retention.ms`, or corelog's own, such as `durability`.
    pub name: String,
    /// None if it has none, or if it is secret.
    pub value: Option<String>,
    pub source: ConfigSource,
}

impl TopicDescription {
    /// The value of a setting, if it has one.
    pub fn config(&self, name: &str) -> Option<&str> {
        let config = self.configs.iter().find(|config| config.name == name)?;
        config.value.as_deref()
    }
}

impl Client {
    /// What holds for a topic: its settings with where they come from, and how many copies it has.
    ///
    /// # Errors
    /// `Broker(UNKNOWN_TOPIC_OR_PARTITION)` if there is none; `Unsupported` by a broker that is too
    /// old to be asked.
    pub async fn describe_topic(&self, name: &str) -> Result<TopicDescription, Error> {
        let request = DescribeTopicRequest {
            name: name.to_owned(),
        };
        self.call_front(Api::DescribeTopic, &request, |reply| {
            let response = reply.meta.read::<DescribeTopicResponse>()?;
            check(response.error.to_native(), &response.message, || {
                format!("describe topic '{name}'")
            })?;
            let configs = response.configs.iter().map(|config| TopicConfig {
                name: config.name.as_str().to_owned(),
                value: config.value.as_ref().map(|value| value.as_str().to_owned()),
                source: ConfigSource::from_number(config.source),
            });
            let mut configs: Vec<TopicConfig> = configs.collect();
            configs.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(TopicDescription {
                replicas: response.replicas.to_native(),
                configs,
            })
        })
        .await
    }
}
