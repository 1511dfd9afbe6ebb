//! One partition at one replica.

use corelog_base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use corelog_record::{BatchHeader, EndMarker};

use crate::{Aborted, End, Epochs, MarkerEpoch, Producers, Sequenced, Standing, Verdict, Verified};

/// Who gives a batch to the leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A client's producer.
    Client(Verified),
    /// The coordinator that lives in this partition. Its batches carry no sequences.
    Coordinator,
    /// The coordinator of transactions: the batch is a marker.
    Marker(EndMarker, MarkerEpoch),
}

/// A batch may go on.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// To be appended at this offset.
    Append { base: Offset },
    /// The same batch is there or on its way: success once the high watermark is past `last`.
    Duplicate { base: Offset, last: Offset },
}

/// A batch may not go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// This replica does not lead.
    NotLeader,
    /// It leads, but no entry of its own term has committed yet. Ask again.
    NotReady,
    /// A newer incarnation of the producer has written.
    Fenced,
    /// A sequence is missing before this batch.
    Gap,
    /// Appended so long ago that its offset is forgotten.
    Forgotten,
    /// It is in no transaction of which the coordinator says that it is open here.
    Unverified,
    /// It is in no transaction, but its producer has one open.
    OutsideTransaction,
    /// Too many transactions are open or aborted here.
    TransactionsFull,
    /// A newer leader of the coordinator has written.
    CoordinatorFenced,
}

/// An accepted batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    pub base: Offset,
    /// The first offset after it.
    pub next: Offset,
    pub epoch: LeaderEpoch,
}

/// Offsets, epochs and producers of one partition. The ladder that every move checks:
/// `log_start <= last_stable <= high_watermark <= next_offset`.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    log_start: Offset,
    /// The next offset at Raft's commit index: what consumers may read ends here (exclusive).
    high_watermark: Offset,
    /// The offset of the next record that the leader accepts.
    next_offset: Offset,
    epochs: Epochs,
    producers: Producers,
    /// While this replica leads: its epoch, and whether its opening entry has committed.
    leading: Option<Leading>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Leading {
    epoch: LeaderEpoch,
    ready: bool,
}

impl Partition {
    /// A partition whose committed log is `log_start..committed_end`, before it is elected.
    pub fn restore(
        log_start: Offset,
        committed_end: Offset,
        epochs: Epochs,
        mut producers: Producers,
    ) -> Self {
        assert!(log_start <= committed_end);
        producers.trim(log_start);
        Self {
            log_start,
            high_watermark: committed_end,
            next_offset: committed_end,
            epochs,
            producers,
            leading: None,
        }
    }

    pub fn log_start(&self) -> Offset {
        self.log_start
    }

    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Where readers of committed transactions stop (exclusive): at the first record of one that is
    /// open, or at the high watermark. Records before the log start hold nobody up.
    pub fn last_stable(&self) -> Offset {
        let unstable = self.producers.first_unstable();
        let unstable = unstable.map_or(self.high_watermark, |at| at.max(self.log_start));
        unstable.min(self.high_watermark)
    }

    /// The aborted transactions with records in `from..end`, in the order of their first offsets.
    pub fn aborted(&self, from: Offset, end: Offset) -> Vec<Aborted> {
        self.producers.aborted().within(from, end)
    }

    /// Where a producer's transaction stands at this leader.
    pub fn standing(&self, producer: ProducerId, epoch: ProducerEpoch) -> Standing {
        self.producers.standing(producer, epoch)
    }

    /// The end of the leader's log, uncommitted records included (exclusive).
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    pub fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    pub fn producers(&self) -> &Producers {
        &self.producers
    }

    pub fn producers_mut(&mut self) -> &mut Producers {
        &mut self.producers
    }

    /// The epoch in which this replica leads, if it does.
    pub fn leading(&self) -> Option<LeaderEpoch> {
        self.leading.map(|l| l.epoch)
    }

    /// Leads, and an entry of its own epoch has committed: what is committed is known.
    pub fn is_ready(&self) -> bool {
        self.leading.is_some_and(|l| l.ready)
    }

    /// Elected: the log ends at `log_end`. Proposals of an earlier leadership are gone.
    pub fn lead(&mut self, epoch: LeaderEpoch, log_end: Offset) {
        assert!(log_end >= self.high_watermark);
        self.producers.discard_proposed();
        self.next_offset = log_end;
        self.leading = Some(Leading {
            epoch,
            ready: false,
        });
    }

    /// The opening entry of this leadership has committed.
    pub fn opened(&mut self) {
        if let Some(leading) = &mut self.leading {
            leading.ready = true;
        }
    }

    /// No longer leads.
    pub fn follow(&mut self) {
        self.producers.discard_proposed();
        self.leading = None;
        self.next_offset = self.high_watermark;
    }

    /// Whether a batch may be appended, and where.
    pub fn admit(&self, header: &BatchHeader, origin: Origin) -> Result<Admission, Refusal> {
        match self.leading {
            None => return Err(Refusal::NotLeader),
            Some(Leading { ready: false, .. }) => return Err(Refusal::NotReady),
            Some(_) => {}
        }
        let verdict = match (origin, sequenced(header)) {
            (Origin::Marker(marker, rule), _) => {
                self.producers.judge_end(&end(header, marker), rule)
            }
            (_, None) => Verdict::Append,
            (Origin::Coordinator, Some(batch)) => self.producers.judge_coordinated(&batch),
            (Origin::Client(verified), Some(batch)) => self.producers.judge(&batch, verified),
        };
        match verdict {
            Verdict::Append => Ok(Admission::Append {
                base: self.next_offset,
            }),
            Verdict::Duplicate { base, last } => Ok(Admission::Duplicate { base, last }),
            Verdict::Forgotten => Err(Refusal::Forgotten),
            Verdict::Fenced => Err(Refusal::Fenced),
            Verdict::Gap => Err(Refusal::Gap),
            Verdict::Unverified => Err(Refusal::Unverified),
            Verdict::OutsideTransaction => Err(Refusal::OutsideTransaction),
            Verdict::Full => Err(Refusal::TransactionsFull),
            Verdict::CoordinatorFenced => Err(Refusal::CoordinatorFenced),
        }
    }

    /// Takes an admitted batch as proposed.
    ///
    /// # Panics
    /// If this replica does not lead: `admit` was not asked.
    pub fn accept(&mut self, header: &BatchHeader, origin: Origin) -> Accepted {
        let leading = self.leading.expect("admitted only while leading");
        let base = self.next_offset;
        if let Origin::Marker(marker, _) = origin {
            self.producers.propose_end(&end(header, marker), base);
        } else if let Some(sequenced) = sequenced(header) {
            self.producers.propose(&sequenced, base);
        }
        self.next_offset = base.plus(i64::from(header.last_offset_delta) + 1);
        Accepted {
            base,
            next: self.next_offset,
            epoch: leading.epoch,
        }
    }

    /// A batch is committed, and if it ends a transaction, how. Called once for each, in log order,
    /// at every replica.
    ///
    /// # Panics
    /// If it does not follow the high watermark: the log has a hole.
    pub fn commit(&mut self, header: &BatchHeader, marker: Option<EndMarker>) {
        self.assert_follows(header);
        self.epochs.note(header.leader_epoch, header.base_offset);
        self.remember(header, marker);
        self.advance(header.next_offset());
    }

    /// As [`Partition::commit`], for a batch that the restored producer state already holds.
    pub fn recommit(&mut self, header: &BatchHeader) {
        self.assert_follows(header);
        self.epochs.note(header.leader_epoch, header.base_offset);
        self.advance(header.next_offset());
    }

    /// A batch that was committed and lies before the log start: after a restart only its producer
    /// matters. In log order, before the first commit.
    pub fn remember(&mut self, header: &BatchHeader, marker: Option<EndMarker>) {
        if let Some(marker) = marker {
            let end = end(header, marker);
            self.producers.commit_end(&end, header.base_offset);
        } else if let Some(sequenced) = sequenced(header) {
            self.producers.commit(&sequenced, header.base_offset);
        }
    }

    /// After a restart everything below the log start counts as committed, but the start may lie
    /// inside of a batch that is committed again: that one begins below.
    fn assert_follows(&self, header: &BatchHeader) {
        let (base, end) = (header.base_offset, self.high_watermark);
        let holds_start = end == self.log_start && base < end && header.next_offset() > end;
        assert!(base == end || holds_start, "a batch at {base} after {end}");
    }

    /// Moves the high watermark.
    fn advance(&mut self, to: Offset) {
        assert!(to >= self.high_watermark);
        self.high_watermark = to;
        self.next_offset = self.next_offset.max(to);
    }

    /// The log start moves forward by a committed entry; a move backwards is ignored.
    /// Returns whether it moved.
    pub fn trim(&mut self, start: Offset) -> bool {
        if start <= self.log_start || start > self.high_watermark {
            return false;
        }
        self.log_start = start;
        self.epochs.trim(start);
        self.producers.trim(start);
        true
    }
}

/// The producer's part of a header; None for a producer that is not idempotent, and for control
/// batches, which take no sequence.
fn sequenced(header: &BatchHeader) -> Option<Sequenced> {
    let known = header.producer_id != ProducerId::NONE && !header.attributes.is_control();
    let transactional = header.attributes.is_transactional();
    (known && (header.base_sequence >= 0 || transactional)).then_some(Sequenced {
        producer: header.producer_id,
        epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        last_offset_delta: header.last_offset_delta,
        max_timestamp: header.max_timestamp,
        transactional,
    })
}

fn end(header: &BatchHeader, marker: EndMarker) -> End {
    End {
        producer: header.producer_id,
        epoch: header.producer_epoch,
        committed: marker.committed,
        coordinator_epoch: marker.coordinator_epoch,
        timestamp: header.max_timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use corelog_record::{BatchBuilder, Codec};

    fn batch(base: i64, records: usize) -> BatchHeader {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.stamp(Offset(base), LeaderEpoch(1));
        for _ in 0..records {
            let pushed = builder.push(corelog_base::TimestampMs(1), None, Some(b"v"), &[]);
            pushed.unwrap();
        }
        let bytes: BytesMut = builder.finish();
        BatchHeader::parse(&bytes).unwrap()
    }

    fn restored(start: i64) -> Partition {
        let (epochs, producers) = (Epochs::default(), Producers::default());
        Partition::restore(Offset(start), Offset(start), epochs, producers)
    }

    #[test]
    fn a_restart_commits_the_batch_that_holds_the_log_start() {
        let mut partition = restored(6);
        partition.commit(&batch(4, 3), None);
        assert_eq!(partition.high_watermark(), Offset(7));
        partition.commit(&batch(7, 1), None);
        assert_eq!(partition.high_watermark(), Offset(8));
    }

    #[test]
    #[should_panic(expected = "a batch at 4 after 6")]
    fn a_batch_below_the_log_start_is_no_part_of_the_log() {
        restored(6).commit(&batch(4, 2), None);
    }

    #[test]
    #[should_panic(expected = "a batch at 7 after 6")]
    fn a_hole_is_a_bug() {
        restored(6).commit(&batch(7, 1), None);
    }
}
