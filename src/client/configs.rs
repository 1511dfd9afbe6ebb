//! Configuration of topics and brokers.

use std::time::Duration;

use corelog_base::NodeId;
use corelog_wire::kafka::{
    ConfigSource, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, ErrorCode, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};

use crate::backoff::Backoff;
use crate::client::ANY_VERSION;
use crate::error::check;
use crate::{Client, Error, Kind, Reply};

/// Whose configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigResource {
    Topic(String),
    Broker(NodeId),
}

impl ConfigResource {
    /// Kafka's number of the kind, and the name.
    fn parts(&self) -> (i8, String) {
        match self {
            Self::Topic(name) => (2, name.clone()),
            Self::Broker(node) => (4, node.to_string()),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigEntry {
    pub name: String,
    /// None if it is null, or sensitive and not shown.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub read_only: bool,
    pub sensitive: bool,
}

impl ConfigEntry {
    fn of(config: &DescribeConfigsResourceResult<'_>) -> Self {
        Self {
            name: config.name.to_string(),
            value: config.value.map(str::to_string),
            source: ConfigSource::from_number(config.config_source),
            read_only: config.read_only,
            sensitive: config.is_sensitive,
        }
    }
}

/// One step of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigChange {
    Set(String, String),
    /// Back to the default.
    Delete(String),
    /// Adds to a list.
    Append(String, String),
    /// Takes from a list.
    Subtract(String, String),
}

impl ConfigChange {
    fn wire(&self) -> IncrementalAlterableConfig<'_> {
        let (name, config_operation, value) = match self {
            Self::Set(name, value) => (name, 0, Some(value)),
            Self::Delete(name) => (name, 1, None),
            Self::Append(name, value) => (name, 2, Some(value)),
            Self::Subtract(name, value) => (name, 3, Some(value)),
        };
        IncrementalAlterableConfig {
            name,
            config_operation,
            value: value.map(String::as_str),
        }
    }
}

impl Client {
    /// Every setting of a resource, with defaults.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or refuses.
    pub async fn describe_configs(
        &self,
        resource: &ConfigResource,
    ) -> Result<Vec<ConfigEntry>, Error> {
        let (resource_type, name) = resource.parts();
        let asked = DescribeConfigsResource {
            resource_type,
            resource_name: &name,
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest {
            resources: vec![asked].into(),
            ..Default::default()
        };
        let mut backoff = Backoff::new(self.options());
        loop {
            match self.configs_of(resource, &request).await {
                Ok(reply) => return described(&reply, &name),
                Err(error) => self.recover(&mut backoff, error).await?,
            }
        }
    }

    /// A broker's own settings are known only to itself.
    async fn configs_of(
        &self,
        resource: &ConfigResource,
        request: &DescribeConfigsRequest<'_>,
    ) -> Result<Reply, Error> {
        match resource {
            ConfigResource::Topic(_) => self.call_any(request).await,
            ConfigResource::Broker(node) => {
                self.call_node(*node, ANY_VERSION, request, Duration::ZERO)
                    .await
            }
        }
    }

    /// Changes single settings; all of the changes, or none. Brokers since 2.3.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or refuses.
    pub async fn alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<(), Error> {
        let (resource_type, name) = resource.parts();
        let altered = IncrementalAlterConfigsResource {
            resource_type,
            resource_name: &name,
            configs: changes.iter().map(ConfigChange::wire).collect(),
        };
        let request = IncrementalAlterConfigsRequest {
            resources: vec![altered].into(),
            validate_only,
        };
        let mut backoff = Backoff::new(self.options());
        loop {
            let asked = match resource {
                ConfigResource::Topic(_) => self.call_controller(&request, Duration::ZERO).await,
                ConfigResource::Broker(node) => {
                    self.call_node(*node, ANY_VERSION, &request, Duration::ZERO)
                        .await
                }
            };
            match asked.and_then(|reply| altered_by(&reply, &name)) {
                Ok(()) => return Ok(()),
                // Elsewhere a client waits until a topic is known; who changes one means one that is.
                Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
                    return Err(error);
                }
                Err(error) => self.recover(&mut backoff, error).await?,
            }
        }
    }
}

fn altered_by(reply: &Reply, name: &str) -> Result<(), Error> {
    let response: IncrementalAlterConfigsResponse<'_> = reply.read()?;
    for result in response.responses.iter() {
        check(result.error_code, result.error_message, || {
            format!("change the configuration of '{name}'")
        })?;
    }
    Ok(())
}

fn described(reply: &Reply, name: &str) -> Result<Vec<ConfigEntry>, Error> {
    let response: DescribeConfigsResponse<'_> = reply.read()?;
    let Some(result) = response.results.first() else {
        let context = format!("the broker says nothing of the configuration of '{name}'");
        return Err(Error::new(Kind::Protocol, context));
    };
    check(result.error_code, result.error_message, || {
        format!("read the configuration of '{name}'")
    })?;
    let configs = result.configs.iter();
    Ok(configs.map(|config| ConfigEntry::of(&config)).collect())
}
