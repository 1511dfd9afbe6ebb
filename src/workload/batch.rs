//! Record batches that a workload writes.

use bytes::{Bytes, BytesMut};
use corelog_base::{LeaderEpoch, Offset, Random, Term, TimestampMs};
use corelog_record::{BatchBuilder, Codec, ProducerState};
use corelog_sim::history::Value;

/// A stamped batch of one to three records, mostly small, with bytes that nothing else has.
pub(crate) fn random_batch(
    random: &mut Random,
    base: Offset,
    term: Term,
    now: TimestampMs,
) -> (Bytes, i64) {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.stamp(base, LeaderEpoch::of(term));
    let count = 1 + random.below(3);
    for _ in 0..count {
        let bytes = match random.below(100) {
            0 => random.below(60_000),
            1..=10 => random.below(9_000),
            _ => random.below(400),
        };
        let mut value = vec![0; bytes as usize + 8];
        random.fill(&mut value);
        let time = TimestampMs(now.0 - random.below(3000) as i64);
        builder
            .push(time, None, Some(&value), &[])
            .expect("a small record fits");
    }
    let bytes = builder.finish();
    (bytes.freeze(), count as i64)
}

/// A batch as a client sends it: each record's value is one [`Value`].
pub(crate) fn value_batch(
    values: &[Value],
    producer: ProducerState,
    now: TimestampMs,
    padding: usize,
) -> BytesMut {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.producer(producer);
    for value in values {
        let mut bytes = value.0.to_le_bytes().to_vec();
        bytes.resize(8 + padding, 0);
        builder
            .push(now, None, Some(&bytes), &[])
            .expect("a small record fits");
    }
    builder.finish()
}
