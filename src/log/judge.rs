//! The verdict over a journal's frames: what counts, what is damage, what is the torn tail.

use std::collections::{BTreeMap, BTreeSet};

use crate::frame::FrameHeader;

/// More missing frames than this are not searched for one by one: a file is lost.
const DAMAGED_MAX: u64 = 64;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Verdict {
    /// Frames below hold nothing that is needed.
    pub live_from: u64,
    /// Everything up to here was once flushed.
    pub flushed_through: u64,
    /// The good frames that count, ascending.
    pub live: Vec<u64>,
    /// Frames that were flushed and are not good any more, ascending.
    pub damaged: Vec<u64>,
    /// More frames were damaged than are listed.
    pub damaged_more: bool,
    /// The first sequence of the torn tail, if there are good frames behind it that are dropped.
    pub tail_from: Option<u64>,
    /// The last sequence that counts; the next generation continues after it.
    pub last: u64,
    /// The highest sequence seen anywhere: the next generation begins above it.
    pub highest: u64,
}

/// Judges the good frames of one journal, in any order. See *Scan* in the formats.
pub(crate) fn judge<'a>(frames: impl Iterator<Item = &'a FrameHeader>) -> Verdict {
    let mut verdict = Verdict::default();
    let mut good = BTreeSet::new();
    // Of each generation: where it began, and what it dropped before.
    let mut dropped = BTreeMap::new();
    for frame in frames {
        verdict.live_from = verdict.live_from.max(frame.live_from);
        verdict.flushed_through = verdict.flushed_through.max(frame.flushed_through);
        verdict.highest = verdict.highest.max(frame.sequence);
        dropped.insert(frame.generation_first, frame.continues_after);
        good.insert(frame.sequence);
    }
    let is_void = |sequence: u64| {
        dropped
            .iter()
            .any(|(first, after)| *after < sequence && sequence < *first)
    };
    let mut expected = verdict.live_from.max(1);
    verdict.last = expected - 1;
    for sequence in good.range(expected..).copied().filter(|s| !is_void(*s)) {
        let missing = (expected..sequence).filter(|s| !is_void(*s));
        let (flushed, torn): (Vec<u64>, Vec<u64>) = missing
            .take(index_max())
            .partition(|s| *s <= verdict.flushed_through);
        note(&mut verdict, &flushed);
        if let Some(first) = torn.first() {
            verdict.tail_from = Some(*first);
            return verdict;
        }
        verdict.live.push(sequence);
        verdict.last = sequence;
        expected = sequence + 1;
    }
    let behind: Vec<u64> = (expected..=verdict.flushed_through)
        .filter(|s| !is_void(*s))
        .take(index_max())
        .collect();
    note(&mut verdict, &behind);
    verdict
}

const fn index_max() -> usize {
    DAMAGED_MAX as usize + 1
}

fn note(verdict: &mut Verdict, damaged: &[u64]) {
    for sequence in damaged {
        if verdict.damaged.len() < DAMAGED_MAX as usize {
            verdict.damaged.push(*sequence);
        } else {
            verdict.damaged_more = true;
        }
    }
    if let Some(last) = damaged.last() {
        verdict.last = verdict.last.max(*last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JournalId;
    use crate::frame::MetadataBefore;

    /// (sequence, flushed_through, live_from, generation_first, continues_after)
    fn check(frames: &[(u64, u64, u64, u64, u64)], expected: (&[u64], &[u64], u64)) {
        let headers: Vec<FrameHeader> = frames
            .iter()
            .map(|f| FrameHeader {
                flags: 0,
                journal: JournalId(1),
                generation: f.3,
                sequence: f.0,
                flushed_through: f.1,
                live_from: f.2,
                generation_first: f.3,
                continues_after: f.4,
                bytes: 4096,
                entries: 0,
                directory_at: 128,
                rows: 0,
                metadata_before: MetadataBefore::NONE,
            })
            .collect();
        let verdict = judge(headers.iter());
        let found = (&verdict.live[..], &verdict.damaged[..], verdict.last);
        assert_eq!(found, expected);
    }

    #[test]
    fn nothing_at_all() {
        check(&[], (&[], &[], 0));
    }

    #[test]
    fn a_missing_frame_that_was_flushed_is_damage() {
        check(&[(1, 0, 1, 1, 0), (3, 2, 1, 1, 0)], (&[1, 3], &[2], 3));
    }

    #[test]
    fn a_missing_frame_that_nobody_saw_flushed_is_the_tail() {
        check(&[(1, 0, 1, 1, 0), (3, 1, 1, 1, 0)], (&[1], &[], 1));
    }

    #[test]
    fn a_bad_first_frame_is_damage_too() {
        check(&[(2, 1, 1, 1, 0)], (&[2], &[1], 2));
    }

    #[test]
    fn dead_frames_are_ignored() {
        check(
            &[(2, 1, 1, 1, 0), (7, 6, 7, 1, 0), (8, 7, 7, 1, 0)],
            (&[7, 8], &[], 8),
        );
    }

    #[test]
    fn what_an_earlier_start_dropped_stays_dropped() {
        // 2 was torn and 3 survived; the next start began at 4 and continued after 1.
        check(
            &[
                (1, 0, 1, 1, 0),
                (3, 1, 1, 1, 0),
                (4, 1, 1, 4, 1),
                (5, 4, 1, 4, 1),
            ],
            (&[1, 4, 5], &[], 5),
        );
        // The first frame of that start is damaged: 2 and 3 stay void.
        check(
            &[(1, 0, 1, 1, 0), (3, 1, 1, 1, 0), (5, 4, 1, 4, 1)],
            (&[1, 5], &[4], 5),
        );
    }
}
