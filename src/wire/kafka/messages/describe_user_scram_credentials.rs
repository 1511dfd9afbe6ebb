//! DescribeUserScramCredentials (KIP-554).

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DescribeUserScramCredentials => DescribeUserScramCredentialsResponse<'a>;

    DescribeUserScramCredentialsRequest<'a> {
        /// Null, or none, asks for all.
        users: Option<Array<'a, ScramUser<'a>>> [0..] nullable [0..],
    }

    ScramUser<'a> {
        name: &'a str [0..],
    }
}

message! {
    response DescribeUserScramCredentials;

    DescribeUserScramCredentialsResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        results: Array<'a, DescribeUserScramCredentialsResult<'a>> [0..],
    }

    DescribeUserScramCredentialsResult<'a> {
        user: &'a str [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        credential_infos: Array<'a, ScramCredential> [0..],
    }

    ScramCredential {
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 [0..],
        iterations: i32 [0..],
    }
}
