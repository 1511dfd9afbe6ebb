use corelog_base::{Offset, ProducerEpoch, ProducerId, TimestampMs};

use crate::{Producers, RestoreError, Sequenced, Verdict, Verified};

fn batch(epoch: i16, base_sequence: i32, records: i32) -> Sequenced {
    Sequenced {
        producer: ProducerId(7),
        epoch: ProducerEpoch(epoch),
        base_sequence,
        last_offset_delta: records - 1,
        max_timestamp: TimestampMs(1_000),
        transactional: false,
    }
}

/// Proposes and commits batches of one record each with sequences `0..count` at those offsets.
fn written(count: i32) -> Producers {
    let mut producers = Producers::default();
    for sequence in 0..count {
        let b = batch(0, sequence, 1);
        assert_eq!(producers.judge(&b, Verified::No), Verdict::Append);
        producers.propose(&b, Offset(i64::from(sequence)));
        producers.commit(&b, Offset(i64::from(sequence)));
    }
    producers
}

#[test]
fn the_window_of_five() {
    let producers = written(8);
    for sequence in 3..8 {
        let at = Offset(i64::from(sequence));
        let expected = Verdict::Duplicate { base: at, last: at };
        assert_eq!(
            producers.judge(&batch(0, sequence, 1), Verified::No),
            expected
        );
    }
    assert_eq!(
        producers.judge(&batch(0, 2, 1), Verified::No),
        Verdict::Forgotten
    );
    assert_eq!(
        producers.judge(&batch(0, 8, 1), Verified::No),
        Verdict::Append
    );
    assert_eq!(producers.judge(&batch(0, 9, 1), Verified::No), Verdict::Gap);
}

#[test]
fn epochs_fence_and_start_at_zero() {
    let mut producers = written(2);
    assert_eq!(producers.judge(&batch(1, 2, 1), Verified::No), Verdict::Gap);
    let renewed = batch(1, 0, 4);
    assert_eq!(producers.judge(&renewed, Verified::No), Verdict::Append);
    producers.propose(&renewed, Offset(2));
    assert_eq!(
        producers.judge(&batch(0, 2, 1), Verified::No),
        Verdict::Fenced
    );
    assert_eq!(
        producers.judge(&batch(1, 4, 1), Verified::No),
        Verdict::Append
    );
}

#[test]
fn proposed_state_is_discarded() {
    let mut producers = written(1);
    producers.propose(&batch(0, 1, 1), Offset(1));
    let at = Offset(1);
    let joined = Verdict::Duplicate { base: at, last: at };
    assert_eq!(producers.judge(&batch(0, 1, 1), Verified::No), joined);
    producers.discard_proposed();
    assert_eq!(
        producers.judge(&batch(0, 1, 1), Verified::No),
        Verdict::Append
    );
}

#[test]
fn sequences_wrap() {
    let mut producers = Producers::default();
    let first = batch(0, i32::MAX - 1, 3);
    producers.commit(&first, Offset(0));
    assert_eq!(
        producers.judge(&batch(0, 1, 1), Verified::No),
        Verdict::Append
    );
    assert_eq!(producers.judge(&batch(0, 2, 1), Verified::No), Verdict::Gap);
    assert_eq!(
        producers.judge(&first, Verified::No),
        Verdict::Duplicate {
            base: Offset(0),
            last: Offset(2)
        }
    );
}

#[test]
fn unknown_producers_start_anywhere() {
    assert_eq!(
        Producers::default().judge(&batch(3, 99, 1), Verified::No),
        Verdict::Append
    );
}

#[test]
fn checkpoint_round_trip_and_refusals() {
    let producers = written(7);
    let bytes = producers.checkpoint();
    let restored = Producers::restore(&bytes).unwrap();
    assert_eq!(restored.checkpoint(), bytes);
    assert_eq!(
        restored.judge(&batch(0, 7, 1), Verified::No),
        Verdict::Append
    );
    for cut in 0..bytes.len() {
        assert_eq!(
            Producers::restore(&bytes[..cut]).err(),
            Some(RestoreError),
            "cut at {cut}"
        );
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(Producers::restore(&longer).is_err());
}

#[test]
fn expiry_spares_what_is_on_its_way() {
    let mut producers = written(1);
    producers.propose(&batch(0, 1, 1), Offset(1));
    producers.expire(TimestampMs(5_000));
    assert_eq!(producers.len(), 1);
    producers.discard_proposed();
    producers.expire(TimestampMs(5_000));
    assert!(producers.is_empty());
}
