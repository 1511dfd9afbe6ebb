//! InitProducerId: a fresh id for an idempotent producer, or a transactional id's, with an epoch
//! above all others.

use corelog_coordinator::transactions::{Init, Reply as Answer, Request};
use corelog_coordinator::{Error, Producer};
use corelog_rt::Runtime;
use corelog_wire::kafka::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse};

use super::super::call::{Call, Malformed};
use super::super::error::code;
use super::transactions::{ask, fenced_code, producer};
use crate::connection::Reply;

/// From this version on, a client knows PRODUCER_FENCED (90).
const FENCED_VERSION_MIN: i16 = 4;

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
        Some(id) => {
            return Ok(match transactional(call, id, &request).await {
                Ok(producer) => call.reply(&InitProducerIdResponse {
                    producer_id: producer.id.0,
                    producer_epoch: producer.epoch.0,
                    ..Default::default()
                }),
                Err(code) => call.reply(&failed(code)),
            });
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

async fn transactional<R: Runtime>(
    call: &Call<R>,
    id: &str,
    request: &InitProducerIdRequest<'_>,
) -> Result<Producer, ErrorCode> {
    // A producer that goes on says both; one that begins says neither.
    let current = match (request.producer_id, request.producer_epoch) {
        (-1, -1) => None,
        (0.., 0..) => Some(producer(request.producer_id, request.producer_epoch)),
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    if id.is_empty() {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let fresh = call.context.broker.producer_id().await;
    let (fresh, _) = fresh.map_err(|error| code(&error))?;
    let init = Request::Init(Init {
        id: id.to_owned(),
        timeout_ms: request.transaction_timeout_ms,
        current,
        fresh,
    });
    match ask(&call.context, id, init).await {
        Ok(Answer::Producer(producer)) => Ok(producer),
        Ok(_) => unreachable!("a producer gets its id"),
        Err(Error::TimedOut) => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
        Err(error) => Err(fenced_code(error, call.version >= FENCED_VERSION_MIN)),
    }
}
