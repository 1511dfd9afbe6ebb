//! Where each leader epoch began: the answer to OffsetForLeaderEpoch (KIP-101, KIP-320).

use corelog_base::{LeaderEpoch, Offset};

/// The end of an epoch as OffsetForLeaderEpoch reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEnd {
    /// The largest epoch at or below the one asked.
    pub epoch: LeaderEpoch,
    /// The first offset after it (exclusive end).
    pub end: Offset,
}

/// Start offsets of leader epochs, ascending in both. Only epochs that hold records are kept, so
/// the list is as long as there were leaders that wrote since the log's start.
#[derive(Clone, Debug, Default)]
pub struct Epochs {
    starts: Vec<(LeaderEpoch, Offset)>,
}

impl Epochs {
    /// Notes a batch of `epoch` at `base`. Called in log order.
    pub fn note(&mut self, epoch: LeaderEpoch, base: Offset) {
        match self.starts.last() {
            Some((last, _)) if *last >= epoch => {}
            _ => self.starts.push((epoch, base)),
        }
    }

    /// Forgets what begins at or after `end`: those entries were cut off.
    pub fn truncate(&mut self, end: Offset) {
        self.starts.retain(|(_, start)| *start < end);
    }

    /// Forgets epochs that end at or before `start`, the new log start.
    pub fn trim(&mut self, start: Offset) {
        let keep = self.starts.iter().rposition(|(_, s)| *s <= start);
        if let Some(keep) = keep {
            self.starts.drain(..keep);
            self.starts[0].1 = self.starts[0].1.max(start);
        }
    }

    /// The largest known epoch at or below `asked` and where it ends. `current` is the leader's
    /// epoch, whose end is `end`. None if `asked` is above the current epoch or below all known.
    pub fn end_of(
        &self,
        asked: LeaderEpoch,
        current: LeaderEpoch,
        end: Offset,
    ) -> Option<EpochEnd> {
        if asked == current {
            return Some(EpochEnd {
                epoch: current,
                end,
            });
        }
        if asked > current || asked.0 < 0 {
            return None;
        }
        let after = self.starts.partition_point(|(epoch, _)| *epoch <= asked);
        let (epoch, _) = *self.starts.get(after.checked_sub(1)?)?;
        let end = self.starts.get(after).map_or(end, |(_, start)| *start);
        Some(EpochEnd { epoch, end })
    }

    /// The epoch of the record at `offset`, if any is known.
    pub fn at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.starts.partition_point(|(_, start)| *start <= offset);
        Some(self.starts.get(after.checked_sub(1)?)?.0)
    }

    /// The epoch of the last record.
    pub fn last(&self) -> Option<LeaderEpoch> {
        self.starts.last().map(|(epoch, _)| *epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, base) in [(1, 0), (1, 5), (3, 10), (3, 12), (6, 20)] {
            epochs.note(LeaderEpoch(epoch), Offset(base));
        }
        epochs
    }

    fn ask(epochs: &Epochs, asked: i32) -> Option<(i32, i64)> {
        epochs
            .end_of(LeaderEpoch(asked), LeaderEpoch(7), Offset(30))
            .map(|e| (e.epoch.0, e.end.0))
    }

    #[test]
    fn ends() {
        let epochs = filled();
        assert_eq!(ask(&epochs, 0), None);
        assert_eq!(ask(&epochs, 1), Some((1, 10)));
        assert_eq!(ask(&epochs, 2), Some((1, 10)));
        assert_eq!(ask(&epochs, 3), Some((3, 20)));
        assert_eq!(ask(&epochs, 5), Some((3, 20)));
        assert_eq!(ask(&epochs, 6), Some((6, 30)));
        assert_eq!(ask(&epochs, 7), Some((7, 30)));
        assert_eq!(ask(&epochs, 8), None);
        assert_eq!(ask(&epochs, -1), None);
    }

    #[test]
    fn truncate_and_trim() {
        let mut epochs = filled();
        epochs.truncate(Offset(20));
        assert_eq!(epochs.last(), Some(LeaderEpoch(3)));
        epochs.trim(Offset(11));
        assert_eq!(ask(&epochs, 1), None);
        assert_eq!(epochs.at(Offset(11)), Some(LeaderEpoch(3)));
        assert_eq!(epochs.at(Offset(3)), None);
    }
}
