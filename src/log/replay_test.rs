//! From frames to groups: order, cuts, records, and what a damaged frame takes with it.

use super::*;
use corelog_base::{EntryKind, HardState, PartitionIndex, Term, TopicId};

const GROUP: GroupId = GroupId(4);

fn head(index: u64, term: u64, carried: bool) -> EntryHead {
    EntryHead {
        group: GROUP,
        index: LogIndex(index),
        term: Term(term),
        base_offset: Offset(index as i64 - 1),
        next_offset: Offset(index as i64),
        placement_epoch: 1,
        payload: Payload::Entry(EntryKind::Batch),
        carried,
    }
}

fn entry(index: u64, term: u64) -> JournalEntry {
    JournalEntry {
        head: head(index, term, false),
        data: Data::Own(Bytes::from(vec![term as u8])),
    }
}

fn carried(index: u64, term: u64) -> JournalEntry {
    JournalEntry {
        head: head(index, term, true),
        ..entry(index, term)
    }
}

fn record(removed: bool) -> JournalEntry {
    let record = GroupRecord {
        topic: TopicId([1; 16]),
        partition: PartitionIndex(0),
        hard_state: HardState::default(),
        start: LogStart::default(),
        settled: Position::default(),
        damage: Vec::new(),
        removed,
    };
    JournalEntry {
        head: EntryHead {
            payload: Payload::GroupRecord,
            ..head(0, 0, false)
        },
        data: Data::Own(Bytes::from(record.encode())),
    }
}

fn row(first: u64, last: u64) -> Row {
    Row {
        group: GROUP,
        first: LogIndex(first),
        last: LogIndex(last),
        base_offset: Offset(first as i64 - 1),
        next_offset: Offset(last as i64),
        entries: (last - first + 1) as u32,
        has_record: false,
        carried: false,
        placement_epoch: 1,
        last_term: Term(0),
    }
}

/// Index, term and frame of what was found, and the damaged indexes.
type Outcome = (Vec<(u64, u64, u64)>, Vec<(u64, u64)>);

fn check(frames: Vec<Content>, expected: Outcome) {
    let mut replay = Replay::default();
    for (sequence, content) in (1..).zip(frames) {
        replay.apply(sequence, content);
    }
    let found = replay.finish(GROUP, Position::default()).unwrap();
    let entries = found.entries.iter();
    let entries = entries.map(|(frame, e, _)| (e.index.0, e.term.0, *frame));
    let damage = found.damage.iter().map(|d| (d.first.0, d.last.0));
    assert_eq!((entries.collect(), damage.collect()), expected);
}

#[test]
fn a_later_entry_cuts_off_what_it_replaces() {
    check(
        vec![
            Content::Good(vec![record(false), entry(1, 1), entry(2, 1), entry(3, 1)]),
            Content::Good(vec![entry(2, 2)]),
        ],
        (vec![(1, 1, 1), (2, 2, 2)], vec![]),
    );
}

#[test]
fn a_carried_entry_cuts_off_nothing() {
    check(
        vec![
            Content::Good(vec![record(false), entry(1, 1), entry(2, 1), entry(3, 1)]),
            Content::Good(vec![carried(1, 1), entry(4, 1)]),
        ],
        (vec![(1, 1, 2), (2, 1, 1), (3, 1, 1), (4, 1, 2)], vec![]),
    );
}

#[test]
fn a_damaged_frame_loses_what_its_directory_says_and_nobody_repeats() {
    let partial = |entries| Content::Partial {
        entries,
        rows: Some(vec![row(2, 4)]),
    };
    let first = || Content::Good(vec![record(false), entry(1, 1)]);
    check(
        vec![first(), partial(vec![entry(3, 1)])],
        (vec![(1, 1, 1), (3, 1, 2)], vec![(2, 2), (4, 4)]),
    );
    // What was carried or replaced later is not lost.
    check(
        vec![
            first(),
            partial(vec![]),
            Content::Good(vec![carried(2, 1), entry(3, 2)]),
        ],
        (vec![(1, 1, 1), (2, 1, 3), (3, 2, 3)], vec![]),
    );
}

#[test]
fn without_a_directory_everything_behind_is_suspect() {
    let lost = Content::Partial {
        entries: vec![entry(2, 1)],
        rows: None,
    };
    check(
        vec![Content::Good(vec![record(false), entry(1, 1)]), lost],
        (vec![(1, 1, 1), (2, 1, 2)], vec![(3, u64::MAX)]),
    );
}

/// Frame 1 has the metadata, frame 2 is lost without a trace, frame 3 is sound.
fn metadata_is_suspect(said_by_3: MetadataBefore) -> bool {
    let mut replay = Replay::new(BTreeMap::from([(1, MetadataBefore::NONE), (3, said_by_3)]));
    let metadata = |mut entry: JournalEntry| {
        entry.head.group = GroupId::METADATA;
        entry
    };
    let first = vec![
        metadata(record(false)),
        metadata(entry(1, 1)),
        record(false),
    ];
    replay.apply(1, Content::Good(first));
    replay.lost(2);
    replay.apply(3, Content::Good(vec![]));
    let other = replay.finish(GROUP, Position::default()).unwrap();
    assert_eq!(other.damage.len(), 1, "no frame tells of other groups");
    let found = replay.finish(GroupId::METADATA, Position::default());
    !found.unwrap().damage.is_empty()
}

#[test]
fn a_frame_that_is_lost_whole_is_known_to_have_had_no_metadata() {
    assert!(!metadata_is_suspect(MetadataBefore::at(1)));
    assert!(metadata_is_suspect(MetadataBefore::at(2)));
    assert!(
        metadata_is_suspect(MetadataBefore::default()),
        "an older build"
    );
}

#[test]
fn the_newest_record_counts() {
    let mut replay = Replay::default();
    replay.apply(1, Content::Good(vec![record(false), entry(1, 1)]));
    assert!(!replay.is_incomplete());
    replay.apply(2, Content::Good(vec![record(true)]));
    let found = replay.finish(GROUP, Position::default()).unwrap();
    assert!(found.record.is_some_and(|(_, record)| record.removed));
}
