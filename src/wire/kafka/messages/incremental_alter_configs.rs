//! IncrementalAlterConfigs (KIP-339): changes single settings of a resource.

use super::AlterConfigsResourceResponse;
use crate::kafka::Array;
use crate::kafka::table::message;

message! {
    request IncrementalAlterConfigs => IncrementalAlterConfigsResponse<'a>;

    IncrementalAlterConfigsRequest<'a> {
        resources: Array<'a, IncrementalAlterConfigsResource<'a>> [0..],
        validate_only: bool [0..],
    }

    IncrementalAlterConfigsResource<'a> {
        resource_type: i8 [0..],
        resource_name: &'a str [0..],
        configs: Array<'a, IncrementalAlterableConfig<'a>> [0..],
    }

    IncrementalAlterableConfig<'a> {
        name: &'a str [0..],
        /// 0 set, 1 delete, 2 append to a list, 3 subtract from a list.
        config_operation: i8 [0..],
        value: Option<&'a str> [0..] nullable [0..],
    }
}

message! {
    response IncrementalAlterConfigs;

    IncrementalAlterConfigsResponse<'a> {
        throttle_time_ms: i32 [0..],
        responses: Array<'a, AlterConfigsResourceResponse<'a>> [0..],
    }
}
