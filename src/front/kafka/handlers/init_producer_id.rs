//! InitProducerId: a fresh id for an idempotent producer. Transactions are refused.

use corelog_rt::Runtime;
use corelog_wire::kafka::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse};

use super::super::call::{Call, Malformed};
use super::super::error::code;
use super::super::service::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = InitProducerIdRequest::decode(call.version, call.body())?;
    let failed = |error_code| InitProducerIdResponse {
        error_code,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    match request.transactional_id {
        // A producer that had an id and asks again (KIP-360) gets a new one too, as with Kafka.
        None => {}
        Some("") => return Ok(call.reply(&failed(ErrorCode::INVALID_REQUEST))),
        // Not retriable: what is missing does not come by waiting. As Kafka answers where a
        // feature is not there.
        Some(id) => {
            tracing::warn!(peer = %call.peer, transactional_id = id, "this broker has no transactions");
            return Ok(call.reply(&failed(ErrorCode::UNSUPPORTED_VERSION)));
        }
    }
    let response = match call.context.broker.producer_id().await {
        Ok((id, epoch)) => InitProducerIdResponse {
            producer_id: id.0,
            producer_epoch: epoch.0,
            ..Default::default()
        },
        Err(error) => failed(code(&error)),
    };
    Ok(call.reply(&response))
}
