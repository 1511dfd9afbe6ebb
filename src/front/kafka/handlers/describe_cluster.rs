//! DescribeCluster.

use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse, ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::operations;
use crate::connection::Reply;

/// Kafka's numbers of endpoints.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeClusterRequest::decode(call.version, call.body())?;
    let endpoint_type = match call.version {
        0 => BROKERS,
        _ => request.endpoint_type,
    };
    let refused = match endpoint_type {
        BROKERS => None,
        CONTROLLERS => Some((
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "this is a broker's address, not a controller's",
        )),
        _ => Some((
            ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
            "no such type of endpoint",
        )),
    };
    if let Some((error_code, why)) = refused {
        return Ok(call.reply(&DescribeClusterResponse {
            error_code,
            error_message: Some(why),
            endpoint_type,
            ..Default::default()
        }));
    }
    let cluster_id = call.context.broker.image(|image| image.cluster_id());
    let cluster_id = cluster_id.map(|id| id.to_string()).unwrap_or_default();
    let endpoints = call.context.endpoints();
    let brokers = endpoints.iter().map(|endpoint| DescribeClusterBroker {
        broker_id: endpoint.node.0,
        host: &endpoint.host,
        port: i32::from(endpoint.port),
        rack: endpoint.rack.as_deref(),
        is_fenced: false,
    });
    Ok(call.reply(&DescribeClusterResponse {
        endpoint_type,
        cluster_id: &cluster_id,
        controller_id: call.context.broker.node().0,
        brokers: brokers.collect(),
        cluster_authorized_operations: operations::of_cluster(
            request.include_cluster_authorized_operations,
        ),
        ..Default::default()
    }))
}
