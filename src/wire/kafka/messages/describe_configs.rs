//! DescribeConfigs. Version 0 has another layout and is not known here.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DescribeConfigs => DescribeConfigsResponse<'a>;

    DescribeConfigsRequest<'a> {
        resources: Array<'a, DescribeConfigsResource<'a>> [0..],
        include_synonyms: bool [1..],
        include_documentation: bool [3..],
    }

    DescribeConfigsResource<'a> {
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [0..],
        resource_name: &'a str [0..],
        /// Null asks for all.
        configuration_keys: Option<Array<'a, &'a str>> [0..] nullable [0..],
    }
}

message! {
    response DescribeConfigs;

    DescribeConfigsResponse<'a> {
        throttle_time_ms: i32 [0..],
        results: Array<'a, DescribeConfigsResult<'a>> [0..],
    }

    DescribeConfigsResult<'a> {
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        resource_type: i8 [0..],
        resource_name: &'a str [0..],
        configs: Array<'a, DescribeConfigsResourceResult<'a>> [0..],
    }

    DescribeConfigsResourceResult<'a> {
        name: &'a str [0..],
        value: Option<&'a str> [0..] nullable [0..],
        read_only: bool [0..],
        /// 1 topic, 2 broker, 3 all brokers, 4 the file of the broker, 5 default.
        config_source: i8 [1..] = -1,
        is_sensitive: bool [0..],
        synonyms: Array<'a, DescribeConfigsSynonym<'a>> [1..],
        /// 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password.
        config_type: i8 [3..],
        documentation: Option<&'a str> [3..] nullable [0..],
    }

    DescribeConfigsSynonym<'a> {
        name: &'a str [1..],
        value: Option<&'a str> [1..] nullable [0..],
        source: i8 [1..],
    }
}
