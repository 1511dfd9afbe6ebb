//! ListConfigResources: what DescribeConfigs can be asked about.

use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ErrorCode, ListConfigResourcesRequest, ListConfigResourcesResponse, ListedConfigResource,
};

use super::super::call::{Call, Malformed};
use super::describe_configs::{BROKER, TOPIC};
use crate::connection::Reply;

/// Kinds that Kafka lists, and that have no configurations here: none is ever set.
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ListConfigResourcesRequest::decode(call.version, call.body())?;
    let mut kinds: Vec<i8> = request.resource_types.iter().collect();
    if call.version == 0 {
        kinds = vec![CLIENT_METRICS];
    } else if kinds.is_empty() {
        kinds = vec![TOPIC, BROKER];
    }
    let known = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    if kinds.iter().any(|kind| !known.contains(kind)) {
        return Ok(call.reply(&ListConfigResourcesResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            ..Default::default()
        }));
    }
    let (topics, brokers): (Vec<String>, Vec<String>) = call.context.broker.image(|image| {
        let topics = image.topics().map(|topic| topic.name.clone());
        let brokers = image.nodes().map(|node| node.id.0.to_string());
        (topics.collect(), brokers.collect())
    });
    let mut resources = Vec::new();
    for (resource_type, names) in [(TOPIC, &topics), (BROKER, &brokers)] {
        if kinds.contains(&resource_type) {
            resources.extend(names.iter().map(|resource_name| ListedConfigResource {
                resource_name,
                resource_type,
            }));
        }
    }
    Ok(call.reply(&ListConfigResourcesResponse {
        config_resources: resources.into(),
        ..Default::default()
    }))
}
