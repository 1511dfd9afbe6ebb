//! What the handlers of transactions share, and the requests of a producer to its coordinator that
//! need no more: AddOffsetsToTxn and EndTxn.

use std::collections::BTreeSet;
use std::time::Duration;

use corelog_base::{PartitionIndex, ProducerEpoch, ProducerId};
use corelog_coordinator::transactions::{Add, End, Partitions, Protocol, Reply, Request};
use corelog_coordinator::{Error, Kind, Producer, Reply as Answer, Request as Asked};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, EndTxnRequest, EndTxnResponse, ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::super::context::Context;
use super::super::error::{code, coordinator_code};
use crate::connection::Reply as Replied;

/// Longer than any commit takes on a disk that still works.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The last epoch that a client gets; one that ends a transaction in it needs another producer id.
const EPOCH_MAX: i16 = i16::MAX - 1;
/// From these versions on, a client knows PRODUCER_FENCED (90); before, 47 says so.
const FENCED_VERSION_MIN: i16 = 2;
/// From this version of EndTxn on, each transaction has an epoch of its own.
const EPOCHS_VERSION_MIN: i16 = 5;

/// Asks the coordinator of a transactional id.
pub(super) async fn ask<R: Runtime>(
    context: &Context<R>,
    id: &str,
    request: Request,
) -> Result<Reply, Error> {
    if id.is_empty() {
        return Err(Error::InvalidRequest);
    }
    let request = Asked::Transaction(request);
    let broker = &context.broker;
    let answer = broker.coordinate(Kind::Transactions, id, request, ANSWER_MAX);
    match answer.await? {
        Answer::Transaction(reply) => Ok(reply),
        _ => unreachable!("a coordinator of transactions answers about them"),
    }
}

/// `known`: the client's version has the code 90.
pub(super) fn fenced_code(error: Error, known: bool) -> ErrorCode {
    match error {
        Error::ProducerFenced if !known => ErrorCode::INVALID_PRODUCER_EPOCH,
        _ => coordinator_code(error),
    }
}

pub(super) fn producer(id: i64, epoch: i16) -> Producer {
    Producer {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
    }
}

/// The partition of `__consumer_offsets` that holds a group's offsets.
pub(super) async fn offsets_partition<R: Runtime>(
    context: &Context<R>,
    group: &str,
) -> Result<Partitions, Error> {
    if group.is_empty() {
        return Err(Error::InvalidGroupId);
    }
    let found = context.broker.coordinator_partition(Kind::Groups, group);
    let PartitionIndex(index) = found.await?.partition;
    let topic = Kind::Groups.topic().to_owned();
    Ok([(topic, BTreeSet::from([index]))].into())
}

pub(in super::super) async fn add_offsets<R: Runtime>(
    call: &Call<R>,
) -> Result<Replied, Malformed> {
    let request = AddOffsetsToTxnRequest::decode(call.version, call.body())?;
    let id = request.transactional_id;
    let added = match offsets_partition(&call.context, request.group_id).await {
        Ok(partitions) => {
            let add = Add {
                id: id.to_owned(),
                producer: producer(request.producer_id, request.producer_epoch),
                protocol: Protocol::Classic,
                partitions,
            };
            ask(&call.context, id, Request::Add(add)).await
        }
        Err(error) => Err(error),
    };
    let known = call.version >= FENCED_VERSION_MIN;
    let error_code = added.map_or_else(|error| fenced_code(error, known), |_| ErrorCode::NONE);
    Ok(call.reply(&AddOffsetsToTxnResponse {
        error_code,
        ..Default::default()
    }))
}

pub(in super::super) async fn end<R: Runtime>(call: &Call<R>) -> Result<Replied, Malformed> {
    let request = EndTxnRequest::decode(call.version, call.body())?;
    let ended = end_of(call, &request).await;
    Ok(call.reply(&match ended {
        Ok(next) if call.version >= EPOCHS_VERSION_MIN => EndTxnResponse {
            producer_id: next.id.0,
            producer_epoch: next.epoch.0,
            ..Default::default()
        },
        Ok(_) => EndTxnResponse::default(),
        Err(error_code) => EndTxnResponse {
            error_code,
            ..Default::default()
        },
    }))
}

async fn end_of<R: Runtime>(
    call: &Call<R>,
    request: &EndTxnRequest<'_>,
) -> Result<Producer, ErrorCode> {
    let protocol = match call.version {
        EPOCHS_VERSION_MIN.. => Protocol::Epochs,
        _ => Protocol::Classic,
    };
    let fresh = match (protocol, request.producer_epoch) {
        (Protocol::Epochs, EPOCH_MAX..) => {
            let fresh = call.context.broker.producer_id().await;
            Some(fresh.map_err(|error| code(&error))?.0)
        }
        _ => None,
    };
    let id = request.transactional_id;
    let end = Request::End(End {
        id: id.to_owned(),
        producer: producer(request.producer_id, request.producer_epoch),
        protocol,
        committed: request.committed,
        fresh,
    });
    let known = call.version >= FENCED_VERSION_MIN;
    match ask(&call.context, id, end).await {
        Ok(Reply::Producer(next)) => Ok(next),
        Ok(_) => unreachable!("an end is answered by a producer"),
        Err(error) => Err(fenced_code(error, known)),
    }
}
