//! Batches in transactions: what their coordinator says of them before they are appended.
//!
//! A partition takes batches of a transaction that is open there. A first batch is verified: older
//! clients have named its partition to the coordinator, newer ones (KIP-890) leave that to the
//! broker. So no batch that comes late, after its transaction has ended, opens one that nobody ends.

use std::collections::BTreeMap;

use corelog_broker::{PartitionKey, Standing, StandingPart, Verified};
use corelog_coordinator::transactions::{Add, Partitions, Protocol, Reply, Request, Verify};
use corelog_coordinator::{Error, Producer};
use corelog_record::BatchHeader;
use corelog_rt::Runtime;
use corelog_wire::kafka::ErrorCode;

use super::super::call::{Call, Fault};
use super::super::error::coordinator_code;
use super::transactions::ask;

/// From this version on, partitions join a transaction by being written.
const IMPLICIT_VERSION_MIN: i16 = 12;
/// From this version on, clients know TRANSACTION_ABORTABLE (120).
const ABORTABLE_VERSION_MIN: i16 = 11;

/// A batch in a transaction, and the name of its topic.
pub(super) struct Batch {
    pub(super) key: PartitionKey,
    pub(super) topic: String,
    pub(super) producer: Producer,
}

impl Batch {
    /// None for a batch that is in no transaction.
    pub(super) fn of(key: PartitionKey, header: &BatchHeader, topic: &str) -> Option<Self> {
        header.attributes.is_transactional().then(|| Self {
            key,
            topic: topic.to_owned(),
            producer: Producer {
                id: header.producer_id,
                epoch: header.producer_epoch,
            },
        })
    }
}

/// What is known of each batch's transaction, or why the batch is refused.
pub(super) async fn verify<R: Runtime>(
    call: &Call<R>,
    id: &str,
    batches: &[Batch],
) -> Vec<Result<Verified, Fault>> {
    let parts = batches.iter().map(|batch| StandingPart {
        key: batch.key,
        producer: batch.producer.id,
        epoch: batch.producer.epoch,
    });
    let standings = call.context.broker.standings(parts.collect()).await;
    // What is open goes on; what is fenced or led elsewhere is refused by the partition itself.
    let mut found: Vec<Result<Verified, Fault>> = vec![Ok(Verified::No); batches.len()];
    let mut first: BTreeMap<Producer, Vec<usize>> = BTreeMap::new();
    for (place, (batch, standing)) in batches.iter().zip(&standings).enumerate() {
        if let Ok(Standing::Closed { ended }) = standing {
            first.entry(batch.producer).or_default().push(place);
            found[place] = Ok(match call.version {
                IMPLICIT_VERSION_MIN.. => Verified::ByEpoch,
                _ => Verified::After(*ended),
            });
        }
    }
    for (producer, places) in first {
        let outcomes = ask_about(call, id, producer, batches, &places).await;
        for (place, outcome) in places.into_iter().zip(outcomes) {
            if let Err(error) = outcome {
                found[place] = Err(Fault::new(code(call.version, error), error.to_string()));
            }
        }
    }
    found
}

async fn ask_about<R: Runtime>(
    call: &Call<R>,
    id: &str,
    producer: Producer,
    batches: &[Batch],
    places: &[usize],
) -> Vec<Result<(), Error>> {
    let named = places.iter().map(|place| {
        let batch = &batches[*place];
        (batch.topic.clone(), batch.key.partition.0)
    });
    let request = match call.version {
        IMPLICIT_VERSION_MIN.. => {
            let mut partitions = Partitions::new();
            for (topic, index) in named {
                partitions.entry(topic).or_default().insert(index);
            }
            Request::Add(Add {
                id: id.to_owned(),
                producer,
                protocol: Protocol::Epochs,
                partitions,
            })
        }
        _ => Request::Verify(Verify {
            id: id.to_owned(),
            producer,
            partitions: named.collect(),
        }),
    };
    match ask(&call.context, id, request).await {
        Ok(Reply::Partitions(outcomes)) => outcomes,
        Ok(_) => vec![Ok(()); places.len()],
        Err(error) => vec![Err(error); places.len()],
    }
}

/// As Kafka tells clients of Produce what a coordinator says.
fn code(version: i16, error: Error) -> ErrorCode {
    match error {
        Error::NotInTransaction if version < ABORTABLE_VERSION_MIN => ErrorCode::INVALID_TXN_STATE,
        Error::ProducerFenced => ErrorCode::INVALID_PRODUCER_EPOCH,
        Error::ConcurrentTransactions if version >= IMPLICIT_VERSION_MIN => {
            ErrorCode::CONCURRENT_TRANSACTIONS
        }
        // Retriable in every version.
        Error::ConcurrentTransactions
        | Error::Loading
        | Error::NotCoordinator
        | Error::Unavailable
        | Error::TimedOut => ErrorCode::NOT_ENOUGH_REPLICAS,
        error => coordinator_code(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_clients_know() {
        for (version, error, number) in [
            (10, Error::NotInTransaction, 48),
            (11, Error::NotInTransaction, 120),
            (11, Error::ConcurrentTransactions, 19),
            (12, Error::ConcurrentTransactions, 51),
            (9, Error::ProducerFenced, 47),
            (13, Error::Loading, 19),
            (13, Error::UnknownProducer, 49),
        ] {
            assert_eq!(code(version, error).0, number, "{error} at {version}");
        }
    }
}
