//! ListConfigResources (KIP-1142). Version 0 lists client metrics only.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request ListConfigResources => ListConfigResourcesResponse<'a>;

    ListConfigResourcesRequest<'a> {
        /// As in DescribeConfigs; empty asks for all.
        resource_types: Array<'a, i8> [1..],
    }
}

message! {
    response ListConfigResources;

    ListConfigResourcesResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        config_resources: Array<'a, ListedConfigResource<'a>> [0..],
    }

    ListedConfigResource<'a> {
        resource_name: &'a str [0..],
        resource_type: i8 [1..] = 16,
    }
}
