//! InitProducer: a fresh id for an idempotent producer.

use corelog_rt::Runtime;
use corelog_wire::native::v1::{InitProducerRequest, InitProducerResponse};

use super::super::call::{Call, Malformed};
use crate::connection::Reply;
use crate::operation::code;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    call.view()?.read::<InitProducerRequest>()?;
    let response = match call.context.broker.producer_id().await {
        Ok((id, epoch)) => InitProducerResponse {
            error: 0,
            id: id.0,
            epoch: epoch.0,
        },
        Err(error) => InitProducerResponse {
            error: code(&error).0,
            id: -1,
            epoch: -1,
        },
    };
    Ok(call.reply(&response))
}
