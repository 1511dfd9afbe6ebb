//! Creating and deleting topics.

use corelog_wire::native::Api;
use corelog_wire::native::v1::{
    Config, CreateTopicRequest, CreateTopicResponse, DeleteTopicRequest, DeleteTopicResponse,
};

use crate::error::check;
use crate::{Client, Error};

/// A topic to create. Without anything else said it has the broker's defaults.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NewTopic {
    partitions: Option<i32>,
    replicas: Option<i16>,
    configs: Vec<(String, String)>,
    dry: bool,
}

impl NewTopic {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn partitions(mut self, count: i32) -> Self {
        self.partitions = Some(count);
        self
    }

    pub fn replicas(mut self, count: i16) -> Self {
        self.replicas = Some(count);
        self
    }

    /// A setting by its name in Kafka, such as `retention.ms`, or corelog's own `durability`.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), value.into()));
        self
    }

    /// Only says what would come of it.
    pub fn dry(mut self) -> Self {
        self.dry = true;
        self
    }
}

impl Client {
    /// Creates a topic. It exists when this returns.
    ///
    /// # Errors
    /// `Broker`: `TOPIC_ALREADY_EXISTS`, also where an earlier try of this call created it without
    /// its answer coming through; or what is wrong with its name, counts or settings.
    pub async fn create_topic(&self, name: &str, topic: NewTopic) -> Result<(), Error> {
        let configs = topic.configs.iter().map(|(name, value)| Config {
            name: name.clone(),
            value: value.clone(),
        });
        let request = CreateTopicRequest {
            name: name.to_owned(),
            partitions: topic.partitions.unwrap_or(-1),
            replicas: topic.replicas.unwrap_or(-1),
            configs: configs.collect(),
            dry: topic.dry,
        };
        self.call_front(Api::CreateTopic, &request, |reply| {
            let response = reply.meta.read::<CreateTopicResponse>()?;
            check(response.error.to_native(), &response.message, || {
                format!("create topic '{name}'")
            })
        })
        .await
    }

    /// Deletes a topic and all its records.
    ///
    /// # Errors
    /// `Broker`: `UNKNOWN_TOPIC_OR_PARTITION`, or the broker's other refusal.
    pub async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let request = DeleteTopicRequest {
            name: name.to_owned(),
        };
        self.call_front(Api::DeleteTopic, &request, |reply| {
            let response = reply.meta.read::<DeleteTopicResponse>()?;
            check(response.error.to_native(), &response.message, || {
                format!("delete topic '{name}'")
            })
        })
        .await
    }
}
