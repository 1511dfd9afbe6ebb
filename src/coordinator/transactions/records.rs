//! Records of `__transaction_state`, as Kafka 4.2 writes them.

use std::collections::BTreeSet;

use corelog_base::{ProducerEpoch, ProducerId, TimestampMs};
use corelog_wire::kafka::internal::{
    TransactionLogKey, TransactionLogPartitions, TransactionLogValue,
};

use super::Protocol;
use super::transaction::{Phase, Transaction};
use crate::{Producer, Stored};

/// Kafka writes it from transaction version 1 on.
const VALUE_VERSION: i16 = 1;
const VERSION_OF_EPOCHS: i16 = 2;
const NO_ID: i64 = -1;

fn key(id: &str) -> bytes::Bytes {
    let key = TransactionLogKey {
        transactional_id: id,
    };
    key.encode().expect("an id from a request can be stored")
}

pub(super) fn gone(id: &str) -> Stored {
    Stored {
        key: key(id),
        value: None,
    }
}

pub(super) fn stored(id: &str, transaction: &Transaction) -> Stored {
    let topics = transaction.partitions.iter();
    let partitions = topics.map(|(topic, indexes)| TransactionLogPartitions {
        topic,
        partition_ids: indexes.iter().copied().collect(),
    });
    let has_partitions = !matches!(transaction.phase, Phase::Empty);
    let known = |id: Option<ProducerId>| id.map_or(NO_ID, |id| id.0);
    let value = TransactionLogValue {
        producer_id: transaction.producer.id.0,
        producer_epoch: transaction.producer.epoch.0,
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_status: status(transaction.phase),
        transaction_partitions: has_partitions.then(|| partitions.collect()),
        transaction_last_update_timestamp_ms: transaction.updated.0,
        transaction_start_timestamp_ms: transaction.started.0,
        previous_producer_id: known(transaction.previous),
        next_producer_id: known(transaction.next),
        client_transaction_version: match transaction.protocol {
            Protocol::Classic => 0,
            Protocol::Epochs => VERSION_OF_EPOCHS,
        },
        next_producer_epoch: match transaction.next {
            Some(_) => 0,
            None => -1,
        },
    };
    let value = value.encode(VALUE_VERSION);
    Stored {
        key: key(id),
        value: Some(value.expect("what requests could say can be stored")),
    }
}

/// None for an id that has expired: it has no state.
pub(super) fn restored(value: &TransactionLogValue<'_>) -> Option<Transaction> {
    let known = |id: i64| (id >= 0).then_some(ProducerId(id));
    let mut transaction = Transaction::new(Producer {
        id: ProducerId(value.producer_id),
        epoch: ProducerEpoch(value.producer_epoch),
    });
    transaction.phase = phase(value.transaction_status)?;
    transaction.previous = known(value.previous_producer_id);
    transaction.next = known(value.next_producer_id);
    transaction.timeout_ms = value.transaction_timeout_ms;
    transaction.protocol = match value.client_transaction_version {
        VERSION_OF_EPOCHS.. => Protocol::Epochs,
        _ => Protocol::Classic,
    };
    for topic in value.transaction_partitions.iter().flat_map(|t| t.iter()) {
        let indexes: BTreeSet<i32> = topic.partition_ids.iter().collect();
        transaction
            .partitions
            .insert(topic.topic.to_owned(), indexes);
    }
    transaction.started = TimestampMs(value.transaction_start_timestamp_ms);
    transaction.updated = TimestampMs(value.transaction_last_update_timestamp_ms);
    let ended = matches!(
        transaction.phase,
        Phase::Prepared { .. } | Phase::Complete { .. }
    );
    if ended && transaction.protocol == Protocol::Epochs {
        // Whoever ended it may not have heard of it.
        let last = transaction.producer.epoch.0.checked_sub(1);
        transaction.last_epoch = last.filter(|e| *e >= 0).map(ProducerEpoch);
    }
    Some(transaction)
}

fn status(phase: Phase) -> i8 {
    match phase {
        Phase::Empty => 0,
        Phase::Ongoing => 1,
        Phase::Prepared { committed: true } => 2,
        Phase::Prepared { committed: false } => 3,
        Phase::Complete { committed: true } => 4,
        Phase::Complete { committed: false } => 5,
    }
}

/// A state that Kafka never leaves on its own (7, an epoch being fenced) is not written here; 6 is
/// an id that has expired.
fn phase(status: i8) -> Option<Phase> {
    Some(match status {
        0 => Phase::Empty,
        1 | 7 => Phase::Ongoing,
        2 => Phase::Prepared { committed: true },
        3 => Phase::Prepared { committed: false },
        4 => Phase::Complete { committed: true },
        5 => Phase::Complete { committed: false },
        _ => return None,
    })
}
