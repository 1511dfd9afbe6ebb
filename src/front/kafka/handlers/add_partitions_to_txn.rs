//! AddPartitionsToTxn: one transaction a request from clients, many from version 4 on.

use corelog_coordinator::transactions::{
    Add, Partitions, Protocol, Reply as Answer, Request, Verify,
};
use corelog_coordinator::{Error, Producer};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult, AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult, Array,
    ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::super::error::coordinator_code;
use super::transactions::{ask, fenced_code, producer};
use crate::connection::Reply;

const BATCHED_VERSION_MIN: i16 = 4;
/// From these versions on, a client knows PRODUCER_FENCED (90) and TRANSACTION_ABORTABLE (120).
const FENCED_VERSION_MIN: i16 = 2;
const ABORTABLE_VERSION_MIN: i16 = 5;

type Topics<'a> = Array<'a, AddPartitionsToTxnTopic<'a>>;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = AddPartitionsToTxnRequest::decode(call.version, call.body())?;
    if call.version < BATCHED_VERSION_MIN {
        let id = request.v3_and_below_transactional_id;
        let (pid, epoch) = (
            request.v3_and_below_producer_id,
            request.v3_and_below_producer_epoch,
        );
        let topics = &request.v3_and_below_topics;
        let codes = add(call, id, producer(pid, epoch), topics).await;
        return Ok(call.reply(&AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: rows(topics, &codes).into(),
            ..Default::default()
        }));
    }
    let mut results = Vec::new();
    for asked in request.transactions.iter() {
        let id = asked.transactional_id;
        let producer = producer(asked.producer_id, asked.producer_epoch);
        let codes = match asked.verify_only {
            true => verify(call, id, producer, &asked.topics).await,
            false => add(call, id, producer, &asked.topics).await,
        };
        results.push((asked, codes));
    }
    let results = results
        .iter()
        .map(|(asked, codes)| AddPartitionsToTxnResult {
            transactional_id: asked.transactional_id,
            topic_results: rows(&asked.topics, codes).into(),
        });
    Ok(call.reply(&AddPartitionsToTxnResponse {
        results_by_transaction: results.collect(),
        ..Default::default()
    }))
}

fn each<'a>(topics: &Topics<'a>) -> Vec<(&'a str, i32)> {
    let mut each = Vec::new();
    for topic in topics.iter() {
        each.extend(topic.partitions.iter().map(|index| (topic.name, index)));
    }
    each
}

/// One code a partition. All of them join, or none.
async fn add<R: Runtime>(
    call: &Call<R>,
    id: &str,
    producer: Producer,
    topics: &Topics<'_>,
) -> Vec<ErrorCode> {
    let exists = |(topic, index): (&str, i32)| {
        call.context.broker.image(|image| {
            let count = image.topic_named(topic).map_or(0, |t| t.partition_count());
            u32::try_from(index).is_ok_and(|index| index < count)
        })
    };
    let there: Vec<bool> = each(topics).into_iter().map(exists).collect();
    if there.contains(&false) {
        let code = |there: &bool| match there {
            true => ErrorCode::OPERATION_NOT_ATTEMPTED,
            false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        return there.iter().map(code).collect();
    }
    let mut partitions = Partitions::new();
    for (topic, index) in each(topics) {
        partitions
            .entry(topic.to_owned())
            .or_default()
            .insert(index);
    }
    let add = Add {
        id: id.to_owned(),
        producer,
        protocol: Protocol::Classic,
        partitions,
    };
    let added = ask(&call.context, id, Request::Add(add)).await;
    let known = call.version >= FENCED_VERSION_MIN;
    let code = added.map_or_else(|error| fenced_code(error, known), |_| ErrorCode::NONE);
    vec![code; there.len()]
}

async fn verify<R: Runtime>(
    call: &Call<R>,
    id: &str,
    producer: Producer,
    topics: &Topics<'_>,
) -> Vec<ErrorCode> {
    let asked = each(topics)
        .into_iter()
        .map(|(topic, index)| (topic.to_owned(), index));
    let partitions: Vec<(String, i32)> = asked.collect();
    let count = partitions.len();
    let verify = Verify {
        id: id.to_owned(),
        producer,
        partitions,
    };
    let outcomes = match ask(&call.context, id, Request::Verify(verify)).await {
        Ok(Answer::Partitions(outcomes)) => outcomes,
        Ok(_) => unreachable!("partitions are answered one by one"),
        Err(error) => vec![Err(error); count],
    };
    let code = |outcome| match outcome {
        Ok(()) => ErrorCode::NONE,
        Err(Error::NotInTransaction) if call.version < ABORTABLE_VERSION_MIN => {
            ErrorCode::INVALID_TXN_STATE
        }
        Err(error) => coordinator_code(error),
    };
    outcomes.into_iter().map(code).collect()
}

fn rows<'a>(topics: &Topics<'a>, codes: &[ErrorCode]) -> Vec<AddPartitionsToTxnTopicResult<'a>> {
    let mut codes = codes.iter();
    let rows = topics.iter().map(|topic| AddPartitionsToTxnTopicResult {
        name: topic.name,
        results_by_partition: topic
            .partitions
            .iter()
            .zip(&mut codes)
            .map(
                |(partition_index, code)| AddPartitionsToTxnPartitionResult {
                    partition_index,
                    partition_error_code: *code,
                },
            )
            .collect(),
    });
    rows.collect()
}
