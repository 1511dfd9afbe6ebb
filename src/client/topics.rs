//! Creating, growing and deleting topics.

use corelog_base::TopicId;
use corelog_wire::kafka::{
    CreatableTopic, CreatableTopicConfig, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopic, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicState,
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
};

use crate::backoff::Backoff;
use crate::error::check;
use crate::offsets::milliseconds;
use crate::{Client, Error, TopicFilter};

/// A topic to create.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTopic {
    pub name: String,
    /// None: the broker's default (brokers since 2.4).
    pub partitions: Option<i32>,
    /// None: the broker's default (brokers since 2.4).
    pub replicas: Option<i16>,
    pub configs: Vec<(String, String)>,
}

/// A topic that was created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CreatedTopic {
    /// `TopicId::ZERO` from brokers before 2.8.
    pub id: TopicId,
    /// None from brokers before 2.4.
    pub partitions: Option<i32>,
    pub replicas: Option<i16>,
}

impl Client {
    /// Creates topics, or only checks that they could be created. Each topic has its own outcome.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Vec<(String, Result<CreatedTopic, Error>)>, Error> {
        let request = CreateTopicsRequest {
            topics: topics.iter().map(creatable).collect(),
            timeout_ms: milliseconds(self.options().request_timeout),
            validate_only,
        };
        let mut backoff = Backoff::new(self.options());
        let reply = loop {
            let wait = self.options().request_timeout;
            let error = match self.call_controller(&request, wait).await {
                Err(error) => error,
                Ok(reply) => {
                    let response: CreateTopicsResponse<'_> = reply.read()?;
                    match moved(response.topics.iter().map(|topic| topic.error_code)) {
                        None => break reply,
                        Some(error) => error,
                    }
                }
            };
            self.recover(&mut backoff, error).await?;
        };
        let response: CreateTopicsResponse<'_> = reply.read()?;
        let outcome = |topic: corelog_wire::kafka::CreatableTopicResult<'_>| {
            let checked = check(topic.error_code, topic.error_message, || {
                format!("create topic '{}'", topic.name)
            });
            let created = CreatedTopic {
                id: topic.topic_id,
                partitions: Some(topic.num_partitions).filter(|count| *count >= 0),
                replicas: Some(topic.replication_factor).filter(|count| *count >= 0),
            };
            (topic.name.to_string(), checked.map(|()| created))
        };
        Ok(response.topics.iter().map(outcome).collect())
    }

    /// Deletes topics by name. Each topic has its own outcome.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn delete_topics(
        &self,
        names: &[&str],
    ) -> Result<Vec<(String, Result<(), Error>)>, Error> {
        let request = DeleteTopicsRequest {
            topics: names.iter().map(|name| by_name(name)).collect(),
            topic_names: names.iter().copied().collect(),
            timeout_ms: milliseconds(self.options().request_timeout),
        };
        let mut backoff = Backoff::new(self.options());
        let reply = loop {
            let wait = self.options().request_timeout;
            let error = match self.call_controller(&request, wait).await {
                Err(error) => error,
                Ok(reply) => {
                    let response: DeleteTopicsResponse<'_> = reply.read()?;
                    match moved(response.responses.iter().map(|topic| topic.error_code)) {
                        None => break reply,
                        Some(error) => error,
                    }
                }
            };
            self.recover(&mut backoff, error).await?;
        };
        let response: DeleteTopicsResponse<'_> = reply.read()?;
        let results = response.responses.iter();
        Ok(results
            .map(|topic| {
                let name = topic.name.unwrap_or_default();
                let checked = check(topic.error_code, topic.error_message, || {
                    format!("delete topic '{name}'")
                });
                (name.to_string(), checked)
            })
            .collect())
    }

    /// Grows a topic to `count` partitions in all.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or refuses.
    pub async fn create_partitions(&self, topic: &str, count: i32) -> Result<(), Error> {
        let grown = CreatePartitionsTopic {
            name: topic,
            count,
            assignments: None,
        };
        let request = CreatePartitionsRequest {
            topics: vec![grown].into(),
            timeout_ms: milliseconds(self.options().request_timeout),
            validate_only: false,
        };
        let mut backoff = Backoff::new(self.options());
        loop {
            let wait = self.options().request_timeout;
            let error = match self.call_controller(&request, wait).await {
                Err(error) => error,
                Ok(reply) => {
                    let response: CreatePartitionsResponse<'_> = reply.read()?;
                    match moved(response.results.iter().map(|topic| topic.error_code)) {
                        None => return partitions_created(&response, topic),
                        Some(error) => error,
                    }
                }
            };
            self.recover(&mut backoff, error).await?;
        }
    }

    /// Waits before the next try, and looks where the controller is.
    pub(crate) async fn recover(&self, backoff: &mut Backoff, error: Error) -> Result<(), Error> {
        backoff.again(error).await?;
        // If this fails, so does the next try, which then says why.
        let _ = self.refresh_once(TopicFilter::None).await;
        Ok(())
    }
}

fn partitions_created(response: &CreatePartitionsResponse<'_>, topic: &str) -> Result<(), Error> {
    for result in response.results.iter() {
        check(result.error_code, result.error_message, || {
            format!("add partitions to topic '{topic}'")
        })?;
    }
    Ok(())
}

/// The whole request must go elsewhere: the controller has moved.
fn moved(mut codes: impl Iterator<Item = ErrorCode>) -> Option<Error> {
    let moved = codes.any(|code| code == ErrorCode::NOT_CONTROLLER);
    moved.then(|| Error::broker(ErrorCode::NOT_CONTROLLER, None, "the controller has moved"))
}

fn by_name(name: &str) -> DeleteTopicState<'_> {
    DeleteTopicState {
        name: Some(name),
        topic_id: TopicId::ZERO,
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic<'_> {
    let configs = topic.configs.iter();
    CreatableTopic {
        name: &topic.name,
        num_partitions: topic.partitions.unwrap_or(-1),
        replication_factor: topic.replicas.unwrap_or(-1),
        configs: configs
            .map(|(name, value)| CreatableTopicConfig {
                name,
                value: Some(value),
            })
            .collect(),
        ..Default::default()
    }
}
