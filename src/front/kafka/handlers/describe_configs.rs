//! DescribeConfigs: every configuration, with its default and where its value comes from.

use std::collections::BTreeSet;

use corelog_base::NodeId;
use corelog_cluster::{ConfigType, DescribedConfig, Image};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    Array, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym, ErrorCode,
};

use super::super::call::{Call, Fault, Malformed};
use crate::connection::Reply;
use crate::operation::source_number;

/// Kafka's numbers of what has configurations.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;

/// About what one resource takes, described and encoded.
const TABLE_BYTES: u64 = 16 << 10;

/// What the client wants to read of each configuration.
#[derive(Clone, Copy)]
struct Detail {
    synonyms: bool,
    documentation: bool,
}

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeConfigsRequest::decode(call.version, call.body())?;
    let detail = Detail {
        synonyms: request.include_synonyms,
        documentation: request.include_documentation,
    };
    let mut seen = BTreeSet::new();
    let resources = request.resources.iter();
    let is_new: Vec<bool> = resources
        .map(|resource| seen.insert((resource.resource_type, resource.resource_name)))
        .collect();
    let credit = call
        .context
        .take_work(TABLE_BYTES * seen.len() as u64)
        .await;
    let described: Vec<Result<Vec<DescribedConfig>, Fault>> = call.context.broker.image(|image| {
        let resources = request.resources.iter().zip(&is_new);
        let described = resources.map(|(resource, is_new)| match is_new {
            true => describe(image, &resource),
            false => Err(Fault::new(
                ErrorCode::INVALID_REQUEST,
                "the resource is named twice",
            )),
        });
        described.collect()
    });
    let results = request
        .resources
        .iter()
        .zip(&described)
        .map(|(resource, described)| {
            let result = DescribeConfigsResult {
                resource_type: resource.resource_type,
                resource_name: resource.resource_name,
                ..Default::default()
            };
            match described {
                Ok(configs) => DescribeConfigsResult {
                    configs: configs.iter().map(|config| row(config, detail)).collect(),
                    ..result
                },
                Err(fault) => DescribeConfigsResult {
                    error_code: fault.code,
                    error_message: fault.message.as_deref(),
                    ..result
                },
            }
        });
    let reply = call.reply(&DescribeConfigsResponse {
        results: results.collect(),
        ..Default::default()
    });
    Ok(reply.holding(credit))
}

fn describe(
    image: &Image,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<DescribedConfig>, Fault> {
    let name = resource.resource_name;
    let mut configs = match (resource.resource_type, name) {
        (TOPIC, name) => {
            corelog_cluster::check_topic_name(name)
                .map_err(|e| Fault::from(corelog_broker::Error::Cluster(e)))?;
            let topic = image.topic_named(name);
            image.describe_topic(topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?)
        }
        (BROKER, "") => image.describe_brokers(),
        (BROKER, name) => image.describe_broker(broker(image, name)?),
        (kind, _) => return Err(unknown_kind(kind)),
    };
    if let Some(keys) = &resource.configuration_keys {
        let wanted: Vec<&str> = keys.iter().collect();
        configs.retain(|config| wanted.contains(&config.name));
    }
    Ok(configs)
}

/// A broker that is registered, from the name of a resource.
pub(super) fn broker(image: &Image, name: &str) -> Result<NodeId, Fault> {
    let node = name.parse().ok().map(NodeId);
    let known = node.filter(|node| image.node(*node).is_some());
    known.ok_or_else(|| {
        let why = format!("there is no broker {name:?}: its id is expected");
        Fault::new(ErrorCode::INVALID_REQUEST, why)
    })
}

pub(super) fn unknown_kind(kind: i8) -> Fault {
    let why = format!("configurations of resource type {kind} are not known here");
    Fault::new(ErrorCode::INVALID_REQUEST, why)
}

fn row(config: &DescribedConfig, detail: Detail) -> DescribeConfigsResourceResult<'_> {
    let synonyms: Array<'_, _> = match detail.synonyms {
        true => config
            .synonyms
            .iter()
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name,
                value: synonym.value.as_deref(),
                source: source_number(synonym.source),
            })
            .collect(),
        false => Array::EMPTY,
    };
    DescribeConfigsResourceResult {
        name: config.name,
        value: config.value.as_deref(),
        read_only: config.read_only,
        config_source: source_number(config.source),
        is_sensitive: config.sensitive,
        synonyms,
        config_type: type_number(config.kind),
        documentation: detail.documentation.then_some(config.documentation),
    }
}

fn type_number(kind: ConfigType) -> i8 {
    match kind {
        ConfigType::Boolean => 1,
        ConfigType::String => 2,
        ConfigType::Int => 3,
        ConfigType::Short => 4,
        ConfigType::Long => 5,
        ConfigType::Double => 6,
        ConfigType::List => 7,
        ConfigType::Password => 9,
    }
}
