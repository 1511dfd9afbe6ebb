//! FindCoordinator: which broker coordinates a group, a transaction, or a share group's partition.

use corelog_coordinator::Kind;
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    Coordinator, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse,
};

use super::super::call::{Call, Malformed};
use super::super::context::Endpoint;
use super::super::error::coordinator_code;
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = FindCoordinatorRequest::decode(call.version, call.body())?;
    let kind = kind(request.key_type, call.version);
    let keys: Vec<&str> = match call.version {
        0..=3 => vec![request.key],
        _ => request.coordinator_keys.iter().collect(),
    };
    let mut found = Vec::new();
    for key in keys {
        found.push((key, find(call, kind, key).await));
    }
    let rows: Vec<Coordinator<'_>> = found.iter().map(|(key, found)| row(key, found)).collect();
    let single = rows.first().cloned().unwrap_or_default();
    Ok(call.reply(&FindCoordinatorResponse {
        error_code: single.error_code,
        error_message: single.error_message,
        node_id: single.node_id,
        host: single.host,
        port: single.port,
        coordinators: rows.into(),
        ..Default::default()
    }))
}

/// Share groups came with version 6.
fn kind(key_type: i8, version: i16) -> Option<Kind> {
    match (key_type, version) {
        (0, _) => Some(Kind::Groups),
        (1, _) => Some(Kind::Transactions),
        (2, 6..) => Some(Kind::ShareState),
        _ => None,
    }
}

async fn find<R: Runtime>(
    call: &Call<R>,
    kind: Option<Kind>,
    key: &str,
) -> Result<Endpoint, ErrorCode> {
    let Some(kind) = kind else {
        return Err(ErrorCode::INVALID_REQUEST);
    };
    let broker = &call.context.broker;
    let found = broker.coordinator(kind, key).await;
    let leader = found.map_err(coordinator_code)?.leader;
    let endpoints = call.context.endpoints_of(leader.into_iter());
    let endpoint = endpoints.into_iter().next();
    endpoint.ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)
}

fn row<'k>(key: &'k str, found: &'k Result<Endpoint, ErrorCode>) -> Coordinator<'k> {
    match found {
        Ok(endpoint) => Coordinator {
            key,
            node_id: endpoint.node.0,
            host: &endpoint.host,
            port: i32::from(endpoint.port),
            ..Default::default()
        },
        Err(code) => Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code: *code,
            error_message: code.name(),
            ..Default::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_types_have_versions() {
        assert_eq!(kind(0, 0), Some(Kind::Groups));
        assert_eq!(kind(1, 1), Some(Kind::Transactions));
        assert_eq!(kind(2, 6), Some(Kind::ShareState));
        assert_eq!(kind(2, 5), None);
        assert_eq!(kind(3, 6), None);
    }
}
