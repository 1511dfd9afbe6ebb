//! DescribeClientQuotas and DescribeUserScramCredentials: there are neither quotas nor users.

use corelog_rt::Runtime;
use corelog_wire::kafka::{
    Array, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult, ErrorCode,
};

use super::super::call::{Call, Malformed};
use crate::connection::Reply;

pub(in super::super) async fn quotas<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    DescribeClientQuotasRequest::decode(call.version, call.body())?;
    Ok(call.reply(&DescribeClientQuotasResponse {
        entries: Some(Array::EMPTY),
        ..Default::default()
    }))
}

pub(in super::super) async fn scram<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeUserScramCredentialsRequest::decode(call.version, call.body())?;
    let users = request.users.unwrap_or_default();
    let results = users.iter().map(|user| DescribeUserScramCredentialsResult {
        user: user.name,
        error_code: ErrorCode::RESOURCE_NOT_FOUND,
        error_message: Some("there is no such user"),
        ..Default::default()
    });
    Ok(call.reply(&DescribeUserScramCredentialsResponse {
        results: results.collect(),
        ..Default::default()
    }))
}
