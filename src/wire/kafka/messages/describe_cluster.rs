//! DescribeCluster.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DescribeCluster => DescribeClusterResponse<'a>;

    DescribeClusterRequest {
        include_cluster_authorized_operations: bool [0..],
        /// 1 brokers, 2 controllers.
        endpoint_type: i8 [1..] = 1,
        include_fenced_brokers: bool [2..],
    }
}

message! {
    response DescribeCluster;

    DescribeClusterResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        endpoint_type: i8 [1..] = 1,
        cluster_id: &'a str [0..],
        controller_id: i32 [0..] = -1,
        brokers: Array<'a, DescribeClusterBroker<'a>> [0..],
        /// A bit set of operations; `i32::MIN` if not asked for.
        cluster_authorized_operations: i32 [0..] = i32::MIN,
    }

    DescribeClusterBroker<'a> {
        broker_id: i32 [0..],
        host: &'a str [0..],
        port: i32 [0..],
        rack: Option<&'a str> [0..] nullable [0..],
        is_fenced: bool [2..],
    }
}
