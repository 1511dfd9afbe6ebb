//! AlterConfigs, which replaces all that is set, and IncrementalAlterConfigs, which changes some.

use std::collections::BTreeSet;
use std::time::Duration;

use corelog_broker::AdminRequest;
use corelog_cluster::{ConfigChange, ConfigOperation, ConfigResource};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse, Array, ErrorCode,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::super::call::{Call, Fault, Malformed};
use super::admin::{admin, done};
use super::describe_configs::{BROKER, TOPIC, broker, unknown_kind};
use super::parts::{good, merge};
use crate::connection::Reply;

/// These requests carry no limit of their own.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A resource's changes as asked for.
struct Asked<'a> {
    kind: i8,
    name: &'a str,
    changes: Result<Vec<ConfigChange>, Fault>,
}

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = AlterConfigsRequest::decode(call.version, call.body())?;
    let asked = request.resources.iter().map(|resource| {
        let changes = resource.configs.iter().map(|config| ConfigChange {
            name: config.name.to_owned(),
            operation: ConfigOperation::Set,
            value: config.value.map(str::to_owned),
        });
        Asked {
            kind: resource.resource_type,
            name: resource.resource_name,
            changes: Ok(changes.collect()),
        }
    });
    let asked: Vec<Asked<'_>> = asked.collect();
    let outcomes = alter(call, &asked, true, request.validate_only).await;
    Ok(call.reply(&AlterConfigsResponse {
        responses: responses(&asked, &outcomes),
        ..Default::default()
    }))
}

pub(in super::super) async fn handle_incremental<R: Runtime>(
    call: &Call<R>,
) -> Result<Reply, Malformed> {
    let request = IncrementalAlterConfigsRequest::decode(call.version, call.body())?;
    let asked = request.resources.iter().map(|resource| {
        let changes = resource.configs.iter().map(|config| {
            Ok(ConfigChange {
                name: config.name.to_owned(),
                operation: operation(config.config_operation)?,
                value: config.value.map(str::to_owned),
            })
        });
        Asked {
            kind: resource.resource_type,
            name: resource.resource_name,
            changes: changes.collect(),
        }
    });
    let asked: Vec<Asked<'_>> = asked.collect();
    let outcomes = alter(call, &asked, false, request.validate_only).await;
    Ok(call.reply(&IncrementalAlterConfigsResponse {
        responses: responses(&asked, &outcomes),
        ..Default::default()
    }))
}

fn responses<'a>(
    asked: &[Asked<'a>],
    outcomes: &'a [Result<(), Fault>],
) -> Array<'a, AlterConfigsResourceResponse<'a>> {
    let responses = asked.iter().zip(outcomes);
    responses
        .map(|(asked, outcome)| AlterConfigsResourceResponse {
            error_code: outcome
                .as_ref()
                .map_or_else(|fault| fault.code, |()| ErrorCode::NONE),
            error_message: outcome
                .as_ref()
                .err()
                .and_then(|fault| fault.message.as_deref()),
            resource_type: asked.kind,
            resource_name: asked.name,
        })
        .collect()
}

fn operation(number: i8) -> Result<ConfigOperation, Fault> {
    match number {
        0 => Ok(ConfigOperation::Set),
        1 => Ok(ConfigOperation::Delete),
        2 => Ok(ConfigOperation::Append),
        3 => Ok(ConfigOperation::Subtract),
        _ => {
            let why = format!("there is no operation {number} on configurations");
            Err(Fault::new(ErrorCode::INVALID_REQUEST, why))
        }
    }
}

async fn alter<R: Runtime>(
    call: &Call<R>,
    asked: &[Asked<'_>],
    replace: bool,
    validate_only: bool,
) -> Vec<Result<(), Fault>> {
    let mut seen = BTreeSet::new();
    let parts: Vec<_> = asked
        .iter()
        .map(|asked| {
            if !seen.insert((asked.kind, asked.name)) {
                let why = "the resource is named twice";
                return Err(Fault::new(ErrorCode::INVALID_REQUEST, why));
            }
            Ok((resource(call, asked)?, asked.changes.clone()?))
        })
        .collect();
    let resources = good(&parts);
    let count = resources.len();
    let request = AdminRequest::AlterConfigs {
        resources,
        replace,
        validate_only,
    };
    merge(parts, admin(call, request, WAIT_MAX, count, done).await)
}

fn resource<R: Runtime>(call: &Call<R>, asked: &Asked<'_>) -> Result<ConfigResource, Fault> {
    match (asked.kind, asked.name) {
        (TOPIC, name) => Ok(ConfigResource::Topic(name.to_owned())),
        (BROKER, "") => Ok(ConfigResource::Brokers),
        (BROKER, name) => {
            let node = call.context.broker.image(|image| broker(image, name))?;
            Ok(ConfigResource::Broker(node))
        }
        (kind, _) => Err(unknown_kind(kind)),
    }
}
