//! ListTransactions and DescribeTransactions: transactions as their coordinators see them.

use corelog_base::ProducerId;
use corelog_coordinator::transactions::{
    Describe, Described, List, Listed, Reply as Answer, Request, STATES,
};
use corelog_coordinator::{Error, Kind, Reply as AnyAnswer, Request as Asked};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, DescribeTransactionsTopicData,
    DescribeTransactionsTransactionState, ErrorCode, ListTransactionsRequest,
    ListTransactionsResponse, ListTransactionsTransactionState,
};

use super::super::call::{Call, Malformed};
use super::super::error::coordinator_code;
use super::transactions::{ANSWER_MAX, ask};
use crate::connection::Reply;

pub(in super::super) async fn list<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ListTransactionsRequest::decode(call.version, call.body())?;
    let (known, unknown): (Vec<&str>, Vec<&str>) = request
        .state_filters
        .iter()
        .partition(|state| STATES.contains(state));
    let list = List {
        states: known.iter().map(|state| (*state).to_owned()).collect(),
        producers: request.producer_id_filters.iter().map(ProducerId).collect(),
        open_for_ms: (request.duration_filter >= 0).then_some(request.duration_filter),
        pattern: request.transactional_id_pattern.map(str::to_owned),
    };
    // Filters of which none is known match nothing.
    let nothing = known.is_empty() && !unknown.is_empty();
    let (listed, error_code) = match nothing {
        true => (Vec::new(), ErrorCode::NONE),
        false => list_all(call, list).await,
    };
    let states = listed
        .iter()
        .map(|listed| ListTransactionsTransactionState {
            transactional_id: &listed.id,
            producer_id: listed.producer.0,
            transaction_state: listed.state,
        });
    Ok(call.reply(&ListTransactionsResponse {
        error_code,
        unknown_state_filters: unknown.into(),
        transaction_states: states.collect(),
        ..Default::default()
    }))
}

/// Of every coordinator on this node, and the first error, if any.
async fn list_all<R: Runtime>(call: &Call<R>, list: List) -> (Vec<Listed>, ErrorCode) {
    let broker = &call.context.broker;
    let mut all = Vec::new();
    let mut failed = ErrorCode::NONE;
    for partition in broker.coordinator_partitions(Kind::Transactions) {
        let request = Asked::Transaction(Request::List(list.clone()));
        match broker.coordinate_at(partition, request, ANSWER_MAX).await {
            Ok(AnyAnswer::Transaction(Answer::Listed(listed))) => all.extend(listed),
            Ok(_) => unreachable!("a list is answered by transactions"),
            // Another broker's.
            Err(Error::NotCoordinator) => {}
            Err(error) => failed = coordinator_code(error),
        }
    }
    (all, failed)
}

pub(in super::super) async fn describe<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeTransactionsRequest::decode(call.version, call.body())?;
    let mut found = Vec::new();
    for id in request.transactional_ids.iter() {
        let describe = Describe { id: id.to_owned() };
        let described = match ask(&call.context, id, Request::Describe(describe)).await {
            Ok(Answer::Described(described)) => Ok(described),
            Ok(_) => unreachable!("a description is answered by one"),
            Err(error) => Err(coordinator_code(error)),
        };
        found.push((id, described));
    }
    Ok(call.reply(&DescribeTransactionsResponse {
        transaction_states: found.iter().map(|(id, found)| row(id, found)).collect(),
        ..Default::default()
    }))
}

fn row<'a>(
    transactional_id: &'a str,
    found: &'a Result<Described, ErrorCode>,
) -> DescribeTransactionsTransactionState<'a> {
    let described = match found {
        Ok(described) => described,
        Err(error_code) => {
            return DescribeTransactionsTransactionState {
                error_code: *error_code,
                transactional_id,
                ..Default::default()
            };
        }
    };
    let topics = described.partitions.iter();
    let topics = topics.map(|(topic, indexes)| DescribeTransactionsTopicData {
        topic,
        partitions: indexes.iter().copied().collect(),
    });
    DescribeTransactionsTransactionState {
        error_code: ErrorCode::NONE,
        transactional_id,
        transaction_state: described.state,
        transaction_timeout_ms: described.timeout_ms,
        transaction_start_time_ms: described.started.0,
        producer_id: described.producer.id.0,
        producer_epoch: described.producer.epoch.0,
        topics: topics.collect(),
    }
}
