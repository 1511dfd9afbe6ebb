//! AlterConfigs: replaces all that is set on a resource.

use crate::kafka::table::{message, structure};
use crate::kafka::{Array, ErrorCode};

message! {
    request AlterConfigs => AlterConfigsResponse<'a>;

    AlterConfigsRequest<'a> {
        resources: Array<'a, AlterConfigsResource<'a>> [0..],
        validate_only: bool [0..],
    }

    AlterConfigsResource<'a> {
        resource_type: i8 [0..],
        resource_name: &'a str [0..],
        configs: Array<'a, AlterableConfig<'a>> [0..],
    }

    AlterableConfig<'a> {
        name: &'a str [0..],
        value: Option<&'a str> [0..] nullable [0..],
    }
}

message! {
    response AlterConfigs;

    AlterConfigsResponse<'a> {
        throttle_time_ms: i32 [0..],
        responses: Array<'a, AlterConfigsResourceResponse<'a>> [0..],
    }
}

structure! {
    /// Of AlterConfigs and IncrementalAlterConfigs.
    AlterConfigsResourceResponse<'a> {
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        resource_type: i8 [0..],
        resource_name: &'a str [0..],
    }
}
