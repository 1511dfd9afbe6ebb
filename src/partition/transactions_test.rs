//! Transactions in one partition: batches, markers, what is stable, what was aborted.

use corelog_base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};
use corelog_record::{BatchBuilder, BatchHeader, Codec, EndMarker, ProducerState};

use crate::{
    Admission, Epochs, MarkerEpoch, Origin, Partition, Producers, Refusal, Standing, Verified,
};

const NOW: TimestampMs = TimestampMs(1_000);

fn leader() -> Partition {
    let (epochs, producers) = (Epochs::default(), Producers::default());
    let mut partition = Partition::restore(Offset(0), Offset(0), epochs, producers);
    partition.lead(LeaderEpoch(1), Offset(0));
    partition.opened();
    partition
}

fn data(id: i64, epoch: i16, base_sequence: i32, transactional: bool) -> BatchHeader {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.producer(ProducerState {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
        base_sequence,
    });
    if transactional {
        builder.transactional();
    }
    builder.push(NOW, None, Some(b"v"), &[]).unwrap();
    BatchHeader::parse(&builder.finish()).unwrap()
}

fn marker(committed: bool) -> EndMarker {
    EndMarker {
        committed,
        coordinator_epoch: 4,
    }
}

fn end(id: i64, epoch: i16) -> BatchHeader {
    let batch = marker(true).batch(ProducerId(id), ProducerEpoch(epoch), NOW);
    BatchHeader::parse(&batch).unwrap()
}

/// Proposes; gives the batch as it goes to the log.
fn take(partition: &mut Partition, mut header: BatchHeader, origin: Origin) -> BatchHeader {
    let admitted = partition.admit(&header, origin);
    assert!(
        matches!(admitted, Ok(Admission::Append { .. })),
        "{admitted:?}"
    );
    let accepted = partition.accept(&header, origin);
    header.base_offset = accepted.base;
    header.leader_epoch = accepted.epoch;
    header
}

const FIRST: Origin = Origin::Client(Verified::After(None));
const BY_EPOCH: Origin = Origin::Client(Verified::ByEpoch);
const OPEN: Origin = Origin::Client(Verified::No);

fn write(partition: &mut Partition, header: BatchHeader, origin: Origin) {
    let taken = take(partition, header, origin);
    partition.commit(&taken, None);
}

fn finish(partition: &mut Partition, id: i64, epoch: i16, committed: bool, rule: MarkerEpoch) {
    let origin = Origin::Marker(marker(committed), rule);
    let taken = take(partition, end(id, epoch), origin);
    partition.commit(&taken, Some(marker(committed)));
}

#[test]
fn what_is_stable_ends_at_the_first_open_transaction() {
    let mut partition = leader();
    write(&mut partition, data(-1, -1, -1, false), OPEN);
    write(&mut partition, data(7, 0, 0, true), FIRST);
    write(&mut partition, data(8, 0, 0, true), FIRST);
    write(&mut partition, data(7, 0, 1, true), OPEN);
    assert_eq!(partition.high_watermark(), Offset(4));
    assert_eq!(partition.last_stable(), Offset(1));
    finish(&mut partition, 7, 0, false, MarkerEpoch::AtLeast);
    assert_eq!(partition.last_stable(), Offset(2));
    finish(&mut partition, 8, 0, true, MarkerEpoch::AtLeast);
    assert_eq!(partition.last_stable(), Offset(6));
    let aborted = partition.aborted(Offset(0), Offset(6));
    let aborted: Vec<_> = aborted
        .iter()
        .map(|a| (a.producer.0, a.first.0, a.last.0))
        .collect();
    assert_eq!(aborted, [(7, 1, 4)]);
}

#[test]
fn only_what_is_committed_is_unstable_or_stable() {
    let mut partition = leader();
    let first = take(&mut partition, data(7, 0, 0, true), FIRST);
    assert_eq!(
        partition.standing(ProducerId(7), ProducerEpoch(0)),
        Standing::Open
    );
    let origin = Origin::Marker(marker(true), MarkerEpoch::AtLeast);
    let last = take(&mut partition, end(7, 0), origin);
    partition.commit(&first, None);
    assert_eq!(
        (partition.high_watermark(), partition.last_stable()),
        (Offset(1), Offset(0))
    );
    partition.commit(&last, Some(marker(true)));
    assert_eq!(partition.last_stable(), Offset(2));
    // A lost leadership takes back what was only proposed.
    let standing = |p: &Partition| p.standing(ProducerId(7), ProducerEpoch(0));
    let ended = Some(Offset(1));
    let origin = Origin::Client(Verified::After(ended));
    let _lost = take(&mut partition, data(7, 0, 1, true), origin);
    assert_eq!(standing(&partition), Standing::Open);
    partition.follow();
    assert_eq!(standing(&partition), Standing::Closed { ended });
}

#[test]
fn a_late_batch_begins_no_transaction() {
    let mut partition = leader();
    let late = data(7, 0, 0, true);
    assert_eq!(partition.admit(&late, OPEN), Err(Refusal::Unverified));
    // The older protocol: the answer was about a transaction that has ended since.
    write(&mut partition, data(7, 0, 0, true), FIRST);
    finish(&mut partition, 7, 0, true, MarkerEpoch::AtLeast);
    let next = data(7, 0, 1, true);
    assert_eq!(partition.admit(&next, FIRST), Err(Refusal::Unverified));
    let fresh = Origin::Client(Verified::After(Some(Offset(1))));
    assert!(partition.admit(&next, fresh).is_ok());
    // KIP-890: the marker has raised the epoch; the refusal is that, whatever was verified.
    finish(&mut partition, 7, 1, true, MarkerEpoch::Above);
    for origin in [OPEN, fresh, BY_EPOCH] {
        assert_eq!(partition.admit(&next, origin), Err(Refusal::Fenced));
    }
}

#[test]
fn with_an_epoch_a_transaction_sequences_start_at_0() {
    let mut partition = leader();
    assert_eq!(
        partition.admit(&data(7, 0, 5, true), BY_EPOCH),
        Err(Refusal::Gap)
    );
    assert!(partition.admit(&data(7, 0, 5, true), FIRST).is_ok());
    write(&mut partition, data(7, 0, 0, true), BY_EPOCH);
    finish(&mut partition, 7, 1, true, MarkerEpoch::Above);
    assert_eq!(
        partition.admit(&data(7, 1, 1, true), BY_EPOCH),
        Err(Refusal::Gap)
    );
    assert!(partition.admit(&data(7, 1, 0, true), BY_EPOCH).is_ok());
}

#[test]
fn a_producer_with_an_open_transaction_writes_nothing_beside_it() {
    let mut partition = leader();
    write(&mut partition, data(7, 0, 0, true), FIRST);
    let beside = data(7, 0, 1, false);
    assert_eq!(
        partition.admit(&beside, OPEN),
        Err(Refusal::OutsideTransaction)
    );
}

#[test]
fn markers_have_epochs() {
    let mut partition = leader();
    write(&mut partition, data(7, 3, 0, true), FIRST);
    let admit = |partition: &Partition, epoch, rule, coordinator_epoch| {
        let marker = EndMarker {
            committed: true,
            coordinator_epoch,
        };
        partition.admit(&end(7, epoch), Origin::Marker(marker, rule))
    };
    let (at_least, above) = (MarkerEpoch::AtLeast, MarkerEpoch::Above);
    assert_eq!(admit(&partition, 2, at_least, 4), Err(Refusal::Fenced));
    assert_eq!(admit(&partition, 3, above, 4), Err(Refusal::Fenced));
    assert!(admit(&partition, 3, at_least, 4).is_ok());
    finish(&mut partition, 7, 4, true, above);
    // The same once more is the same; an older coordinator is refused.
    let again = Admission::Duplicate {
        base: Offset(1),
        last: Offset(1),
    };
    assert_eq!(admit(&partition, 4, above, 4), Ok(again));
    assert_eq!(
        admit(&partition, 5, above, 3),
        Err(Refusal::CoordinatorFenced)
    );
    assert!(admit(&partition, 5, above, 5).is_ok());
}

#[test]
fn a_coordinators_own_batches_have_no_sequences_but_epochs() {
    let mut partition = leader();
    write(&mut partition, data(7, 2, -1, true), Origin::Coordinator);
    write(&mut partition, data(7, 2, -1, true), Origin::Coordinator);
    assert_eq!(partition.last_stable(), Offset(0));
    let older = data(7, 1, -1, true);
    assert_eq!(
        partition.admit(&older, Origin::Coordinator),
        Err(Refusal::Fenced)
    );
    finish(&mut partition, 7, 2, true, MarkerEpoch::AtLeast);
    assert_eq!(partition.last_stable(), Offset(3));
}

#[test]
fn a_restart_keeps_open_and_aborted_transactions() {
    let mut partition = leader();
    write(&mut partition, data(7, 0, 0, true), FIRST);
    finish(&mut partition, 7, 1, false, MarkerEpoch::Above);
    write(&mut partition, data(8, 0, 0, true), BY_EPOCH);
    let checkpoint = partition.producers().checkpoint();
    let producers = Producers::restore(&checkpoint).unwrap();
    assert_eq!(producers.checkpoint(), checkpoint);
    let mut restarted = Partition::restore(Offset(0), Offset(3), Epochs::default(), producers);
    assert_eq!(restarted.last_stable(), Offset(2));
    assert_eq!(restarted.aborted(Offset(0), Offset(2)).len(), 1);
    restarted.lead(LeaderEpoch(2), Offset(3));
    restarted.opened();
    assert!(restarted.admit(&data(8, 0, 1, true), OPEN).is_ok());
    assert_eq!(
        restarted.admit(&data(7, 0, 1, true), BY_EPOCH),
        Err(Refusal::Fenced)
    );
    for cut in 0..checkpoint.len() {
        assert!(
            Producers::restore(&checkpoint[..cut]).is_err(),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_checkpoint_of_a_broker_without_transactions_is_read() {
    // Version 1: one producer of epoch 3 with one batch.
    let mut old = vec![1, 1, 0, 0, 0];
    old.extend(7i64.to_le_bytes());
    old.extend(3i16.to_le_bytes());
    old.extend(1_000i64.to_le_bytes());
    old.push(1);
    for sequence in [4i32, 5] {
        old.extend(sequence.to_le_bytes());
    }
    for offset in [10i64, 11] {
        old.extend(offset.to_le_bytes());
    }
    let producers = Producers::restore(&old).unwrap();
    let found: Vec<_> = producers.list().collect();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].epoch, found[0].last_sequence),
        (ProducerEpoch(3), 5)
    );
    assert_eq!(
        (found[0].transaction, found[0].coordinator_epoch),
        (None, -1)
    );
    assert_eq!(
        Producers::restore(&producers.checkpoint())
            .unwrap()
            .checkpoint(),
        producers.checkpoint()
    );
    old.push(0);
    assert!(Producers::restore(&old).is_err());
}

#[test]
fn a_log_start_forgets_the_aborted_and_passes_the_open() {
    let mut partition = leader();
    write(&mut partition, data(7, 0, 0, true), FIRST);
    finish(&mut partition, 7, 0, false, MarkerEpoch::AtLeast);
    write(&mut partition, data(8, 0, 0, true), FIRST);
    write(&mut partition, data(-1, -1, -1, false), OPEN);
    assert!(partition.trim(Offset(3)));
    assert!(partition.aborted(Offset(0), Offset(9)).is_empty());
    assert_eq!(partition.last_stable(), Offset(3));
    // An open transaction is not forgotten for its age.
    partition.producers_mut().expire(TimestampMs(i64::MAX));
    let open: Vec<_> = partition.producers().list().map(|p| p.producer.0).collect();
    assert_eq!(open, [8]);
}
