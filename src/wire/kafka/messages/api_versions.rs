//! ApiVersions. To a version that the server doesn't have, it answers at version 0 with
//! `UNSUPPORTED_VERSION` and its own range of this API.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request ApiVersions => ApiVersionsResponse<'a>;

    ApiVersionsRequest<'a> {
        client_software_name: &'a str [3..],
        client_software_version: &'a str [3..],
    }
}

message! {
    response ApiVersions;

    ApiVersionsResponse<'a> {
        error_code: ErrorCode [0..],
        api_keys: Array<'a, ApiVersion> [0..],
        throttle_time_ms: i32 [1..],
        @tagged {
            0: supported_features: Array<'a, SupportedFeatureKey<'a>> [3..],
            1: finalized_features_epoch: i64 [3..] = -1,
            2: finalized_features: Array<'a, FinalizedFeatureKey<'a>> [3..],
            3: zk_migration_ready: bool [3..],
        }
    }

    ApiVersion {
        api_key: i16 [0..],
        min_version: i16 [0..],
        max_version: i16 [0..],
    }

    SupportedFeatureKey<'a> {
        name: &'a str [3..],
        min_version: i16 [3..],
        max_version: i16 [3..],
    }

    FinalizedFeatureKey<'a> {
        name: &'a str [3..],
        max_version_level: i16 [3..],
        min_version_level: i16 [3..],
    }
}
