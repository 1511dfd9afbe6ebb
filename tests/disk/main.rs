//! A log on a real file system: what is settled is read back, found by time, trimmed, kept over a
//! restart with other cores, and every flipped bit of it is found.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use common::{GROUP, PARTITION, TOPIC, in_folder};
use corelog_base::{
    CoreId, Entry, EntryKind, HardState, LogIndex, LogStart, Offset, Term, TimestampMs,
};
use corelog_log::{
    Entries, Event, GroupConfig, JournalId, Kind, Log, NoCheckpoints, Options, Read, Scan, scan,
    verify,
};
use corelog_record::{BatchBuilder, Codec};
use corelog_rt::ring::RingRuntime;
use corelog_rt::{Runtime, oneshot};

mod ahead;
mod bulk;
mod common;
mod compact;
mod pressure;

const RECORDS: i64 = 3;

fn options(dir: &Path) -> Options {
    Options {
        tail_cache_bytes_max: 32 << 10,
        ..common::options(dir, 64 << 10)
    }
}

fn batch(base: i64, size: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.stamp(Offset(base), corelog_base::LeaderEpoch(0));
    for at in base..base + RECORDS {
        let value = vec![(at % 251) as u8; size];
        builder
            .push(TimestampMs(1000 + at), None, Some(&value), &[])
            .unwrap();
    }
    builder.finish().freeze()
}

/// The entry at an index: every tenth takes no offset.
fn entry(index: u64, size: usize) -> Entry {
    let bare = |index: u64| index.is_multiple_of(10);
    let before = (1..index).filter(|i| !bare(*i)).count() as i64 * RECORDS;
    let (kind, data, next) = if bare(index) {
        (EntryKind::Opening, Bytes::new(), before)
    } else {
        (EntryKind::Batch, batch(before, size), before + RECORDS)
    };
    Entry {
        index: LogIndex(index),
        term: Term(1 + index / 100),
        kind,
        base_offset: Offset(before),
        next_offset: Offset(next),
        data,
    }
}

fn hard_state(commit: u64) -> HardState {
    HardState {
        term: Term(1 + commit / 100),
        vote: 1,
        commit: LogIndex(commit),
    }
}

/// Appends one by one, and waits for each to be durable.
async fn write(log: &Log<RingRuntime>, indexes: std::ops::RangeInclusive<u64>, size: usize) {
    for index in indexes {
        let state = (index == 1 || index.is_multiple_of(100)).then(|| hard_state(index));
        log.append(GROUP, vec![entry(index, size)], state).unwrap();
        loop {
            let events = log.events().await;
            let done = events
                .iter()
                .any(|event| matches!(event, Event::Persisted { index: at, .. } if at.0 >= index));
            if done {
                break;
            }
        }
        log.commit(GROUP, LogIndex(index));
    }
}

async fn open(rt: &RingRuntime, dir: PathBuf, found: Scan, ids: &[JournalId]) -> Log<RingRuntime> {
    open_with(rt, options(&dir), found, ids).await
}

async fn open_with(
    rt: &RingRuntime,
    options: Options,
    found: Scan,
    ids: &[JournalId],
) -> Log<RingRuntime> {
    let mut shares = found.share_out(ids, 1, |_| CoreId(0));
    let share = shares.remove(0);
    let log = Log::open(rt.clone(), options, share, Box::new(NoCheckpoints));
    log.await.unwrap()
}

/// Commits what is durable, until that is durable.
async fn commit_through(log: &Log<RingRuntime>, last: LogIndex) {
    let mut durable = LogIndex(0);
    while durable < last {
        for event in log.events().await {
            if let Event::Persisted { index, .. } = event {
                log.commit(GROUP, index);
                durable = index;
            }
        }
    }
}

/// A new log, and the group in it.
async fn create(rt: &RingRuntime, options: Options, segment_bytes_max: u64) -> Log<RingRuntime> {
    let found = scan(rt, &options.dir, &[]).await.unwrap();
    let log = open_with(rt, options, found, &[JournalId(1)]).await;
    let config = GroupConfig {
        segment_bytes_max,
        ..GroupConfig::default()
    };
    log.create_group(GROUP, TOPIC, PARTITION, config).unwrap();
    log
}

async fn first(rt: &RingRuntime, dir: &Path) -> Log<RingRuntime> {
    create(rt, options(dir), 300 << 10).await
}

async fn again(rt: &RingRuntime, dir: &Path) -> Log<RingRuntime> {
    let found = scan(rt, dir, &[JournalId(1)]).await.unwrap();
    assert!(!found.is_incomplete());
    assert_eq!(found.groups()[0].damage, vec![]);
    open(rt, dir.to_path_buf(), found, &[JournalId(1)]).await
}

async fn read_all(log: &Log<RingRuntime>, from: i64, upto: i64) -> Vec<u8> {
    let mut next = Offset(from);
    let mut bytes = Vec::new();
    while next < Offset(upto) {
        let read = log.read(GROUP, next, Offset(upto), 40 << 10, true).unwrap();
        let parts = match read {
            Read::Ready(parts) => parts,
            Read::Disk(plan) => plan.run(log).await.unwrap(),
        };
        assert!(!parts.is_empty(), "nothing at {next}");
        for part in parts {
            for found in corelog_record::batches(&part) {
                next = found.unwrap().0.next_offset();
            }
            bytes.extend_from_slice(&part);
        }
    }
    bytes
}

async fn entries_all(log: &Log<RingRuntime>, from: u64, to: u64) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    while all.last().map_or(from, |e| e.index.0 + 1) < to {
        let next = LogIndex(all.last().map_or(from, |e| e.index.0 + 1));
        match log.entries(GROUP, next, LogIndex(to), 50_000).unwrap() {
            Entries::Ready(entries) => all.extend(entries),
            Entries::Disk(plan) => all.extend(plan.run(log).await.unwrap()),
        }
    }
    all
}

fn expected(indexes: std::ops::RangeInclusive<u64>, size: usize) -> Vec<u8> {
    indexes.flat_map(|i| entry(i, size).data.to_vec()).collect()
}

#[test]
fn what_is_settled_is_read_back_before_and_after_a_restart() {
    in_folder(|rt, path| async move {
        let log = first(&rt, &path).await;
        write(&log, 1..=900, 1500).await;
        let end = entry(900, 1).base_offset.0;
        let written = expected(1..=900, 1500);
        let stats = log.stats(GROUP).unwrap();
        assert!(stats.segments > 5, "{stats:?}");
        assert!(read_all(&log, 0, end).await == written);
        let entries = entries_all(&log, 1, 901).await;
        assert!(entries == (1..=900).map(|i| entry(i, 1500)).collect::<Vec<_>>());
        log.close().await.unwrap();
        drop(log);
        let log = again(&rt, &path).await;
        assert!(read_all(&log, 0, end).await == written);
        assert_eq!(entries_all(&log, 1, 901).await.len(), 900);
        write(&log, 901..=1000, 1500).await;
        let end = entry(1000, 1).base_offset.0;
        assert!(read_all(&log, 0, end).await == expected(1..=1000, 1500));
        log.close().await.unwrap();
        assert_eq!(verify(&rt, &path).await.unwrap(), vec![]);
    });
}

/// More is waiting than two journal files hold: it goes through them, file by file.
#[test]
fn a_backlog_larger_than_the_journal_gets_through() {
    const LAST: u64 = 120;
    in_folder(|rt, path| async move {
        let mut options = options(&path);
        options.journal.files_max = 2;
        let found = scan(&rt, &path, &[]).await.unwrap();
        let log = open_with(&rt, options, found, &[JournalId(1)]).await;
        log.create_group(GROUP, TOPIC, PARTITION, GroupConfig::default())
            .unwrap();
        for index in 1..=LAST {
            log.append(GROUP, vec![entry(index, 30_000)], None).unwrap();
        }
        let all = commit_through(&log, LogIndex(LAST));
        let done = corelog_rt::timeout(&rt, std::time::Duration::from_secs(60), all).await;
        assert!(done.is_ok(), "{:?}", log.core_stats());
        log.close().await.unwrap();
    });
}

#[test]
fn records_are_found_by_time_in_segments_and_in_memory() {
    in_folder(|rt, path| async move {
        let log = first(&rt, &path).await;
        write(&log, 1..=500, 1000).await;
        let end = entry(500, 1).base_offset;
        for at in [0, 1, 2, 700, end.0 - 2, end.0 - 1] {
            let found = log.offset_at_time(GROUP, TimestampMs(1000 + at), end).await;
            assert_eq!(found.unwrap(), Some((Offset(at), TimestampMs(1000 + at))));
        }
        let early = log.offset_at_time(GROUP, TimestampMs(5), end).await;
        assert_eq!(early.unwrap(), Some((Offset(0), TimestampMs(1000))));
        let late = log.offset_at_time(GROUP, TimestampMs(9_000), end).await;
        assert_eq!(late.unwrap(), None);
        let last = (Offset(end.0 - 1), TimestampMs(999 + end.0));
        assert_eq!(log.max_timestamp(GROUP, end).await.unwrap(), Some(last));
        let cut = Offset(300);
        let found = log.max_timestamp(GROUP, cut).await.unwrap();
        assert_eq!(found, Some((Offset(299), TimestampMs(1299))));
        log.close().await.unwrap();
    });
}

#[test]
fn a_moved_start_frees_whole_segments() {
    in_folder(|rt, path| async move {
        let log = first(&rt, &path).await;
        write(&log, 1..=900, 1500).await;
        let before = log.stats(GROUP).unwrap();
        let start = log.start_at(GROUP, Offset(1000)).unwrap();
        assert_eq!(start.offset, Offset(1000));
        log.set_start(GROUP, start);
        let below = log.read(GROUP, Offset(999), Offset(2000), 1, true);
        assert_eq!(below.err().unwrap().kind, Kind::OutOfRange);
        while log.stats(GROUP).unwrap().segments == before.segments {
            rt.sleep(std::time::Duration::from_millis(5)).await;
        }
        let end = entry(900, 1).base_offset.0;
        let all = read_all(&log, 1000, end).await;
        assert!(expected(1..=900, 1500).ends_with(&all));
        // Everything goes; what is appended next is there.
        let start = LogStart {
            index: LogIndex(901),
            term_before: Term(10),
            offset: Offset(end),
        };
        log.set_start(GROUP, start);
        write(&log, 901..=990, 1500).await;
        log.close().await.unwrap();
        let log = again(&rt, &path).await;
        assert!(log.stats(GROUP).unwrap().start == Offset(end));
        let upto = entry(990, 1).base_offset.0;
        assert!(read_all(&log, end, upto).await == expected(901..=990, 1500));
        log.close().await.unwrap();
    });
}

#[test]
fn retention_asks_for_whole_segments() {
    in_folder(|rt, path| async move {
        let log = first(&rt, &path).await;
        write(&log, 1..=900, 1500).await;
        let config = GroupConfig {
            retention_bytes: Some(1 << 20),
            retention_age: None,
            ..GroupConfig::default()
        };
        log.configure(GROUP, config.clone());
        let start = log.retention(GROUP, TimestampMs(0)).unwrap();
        let left = log.stats(GROUP).unwrap().end.0 - start.offset.0;
        let bytes = left * 1500;
        assert!((1 << 20..2 << 20).contains(&bytes), "{bytes}");
        let config = GroupConfig {
            retention_bytes: None,
            retention_age: Some(std::time::Duration::from_secs(1)),
            ..config
        };
        log.configure(GROUP, config);
        assert_eq!(log.retention(GROUP, TimestampMs(1500)), None);
        let some = log.retention(GROUP, TimestampMs(3500)).unwrap();
        assert!(
            some.offset > Offset(1000) && some.offset <= Offset(1500),
            "{some:?}"
        );
        let all = log.retention(GROUP, TimestampMs(100_000)).unwrap();
        assert_eq!(all.offset, log.stats(GROUP).unwrap().end);
        log.close().await.unwrap();
    });
}

#[test]
fn a_removed_group_leaves_no_file() {
    in_folder(|rt, path| async move {
        let log = first(&rt, &path).await;
        write(&log, 1..=200, 1500).await;
        let folder = path.join("topics").join(TOPIC.to_string()).join("2");
        assert!(folder.exists());
        log.remove_group(GROUP, TOPIC, PARTITION).await.unwrap();
        assert!(!folder.exists());
        log.close().await.unwrap();
    });
}

#[test]
fn every_flipped_byte_of_a_segment_is_found_by_read_and_by_verify() {
    in_folder(|rt, path| async move {
        let log = first(&rt, &path).await;
        write(&log, 1..=300, 1500).await;
        log.close().await.unwrap();
        let folder = path.join("topics").join(TOPIC.to_string()).join("2");
        let segment = folder.join(format!("{:020}.log", 0));
        let sound = fs::read(&segment).unwrap();
        for at in [0, 100, 70_000, sound.len() - 1] {
            let mut bytes = sound.clone();
            bytes[at] ^= 4;
            fs::write(&segment, &bytes).unwrap();
            let findings = verify(&rt, &path).await.unwrap();
            assert!(
                findings
                    .iter()
                    .any(|f| f.path == segment && f.bytes.contains(&(at as u64))),
                "{at}: {findings:?}"
            );
            let log = again(&rt, &path).await;
            let mut damaged = 0;
            let mut next = Offset(0);
            while next < Offset(90) {
                match log.read(GROUP, next, Offset(i64::MAX), 1, true).unwrap() {
                    Read::Ready(_) => {}
                    Read::Disk(plan) => match plan.run(&log).await {
                        Ok(parts) => assert_eq!(parts[0], batch(next.0, 1500)),
                        Err(error) => {
                            assert_eq!(error.kind, Kind::Damaged);
                            assert!(error.range.unwrap().contains(&next));
                            damaged += 1;
                        }
                    },
                }
                next = Offset(next.0 + RECORDS);
            }
            assert!(damaged > 0 || at > 90 * 1600, "{at}");
            log.close().await.unwrap();
        }
        fs::write(&segment, &sound).unwrap();
        assert_eq!(verify(&rt, &path).await.unwrap(), vec![]);
    });
}

#[test]
fn damage_below_the_log_start_loses_nothing() {
    in_folder(|rt, path| async move {
        let log = first(&rt, &path).await;
        write(&log, 1..=300, 1500).await;
        let start = log.start_at(GROUP, Offset(60)).unwrap();
        log.set_start(GROUP, start);
        log.close().await.unwrap();
        let folder = path.join("topics").join(TOPIC.to_string()).join("2");
        let segment = folder.join(format!("{:020}.log", 0));
        let sound = fs::read(&segment).unwrap();
        // In a chunk below the start, and in the one that holds it.
        for (at, lost) in [(100, None), (70_000, Some(Offset(60)))] {
            let mut bytes = sound.clone();
            bytes[at] ^= 4;
            fs::write(&segment, &bytes).unwrap();
            let findings = verify(&rt, &path).await.unwrap();
            assert!(!findings.is_empty());
            for finding in findings {
                assert_eq!(finding.path, segment);
                let from = finding.offsets.as_ref().map(|offsets| offsets.start);
                assert_eq!(from, lost, "{at}: {finding:?}");
                let told = finding
                    .what
                    .ends_with("below the log start: nothing is lost");
                assert_eq!(told, lost.is_none(), "{at}: {finding:?}");
            }
        }
    });
}
