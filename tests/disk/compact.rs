//! Compaction on a real file system: what is left is read, found by time, verified and salvaged,
//! before and after a restart; what a compaction that was cut short has left goes at the open.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{CoreId, Entry, HardState, LeaderEpoch, LogIndex, Offset, Term, TimestampMs};
use corelog_log::{
    CompactionConfig, Event, GroupConfig, JournalId, Log, NoCheckpoints, Options, Read, salvage,
    scan, verify,
};
use corelog_record::{BatchBuilder, Codec, batches, records};
use corelog_rt::Runtime;
use corelog_rt::ring::RingRuntime;

use crate::common::{self, GROUP, PARTITION, TOPIC, in_folder};

const RECORDS: i64 = 4;
const KEYS: i64 = 10;
const ENTRIES: u64 = 600;

fn options(dir: &Path) -> Options {
    common::options(dir, 16 << 10)
}

fn config() -> GroupConfig {
    GroupConfig {
        segment_bytes_max: 60 << 10,
        retention_age: None,
        compaction: Some(CompactionConfig {
            lag_min: Duration::ZERO,
            lag_max: None,
            dirty_ppm_min: 0,
            delete_retention: Duration::ZERO,
        }),
        ..GroupConfig::default()
    }
}

/// The entry at an index: four records of some of ten keys, at times that ascend.
fn entry(index: u64) -> Entry {
    common::batch_entry(index, RECORDS, |base| {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.stamp(Offset(base), LeaderEpoch(1));
        for at in base..base + RECORDS {
            let key = (at * 7 % KEYS).to_le_bytes();
            let value = vec![(at % 251) as u8; 200];
            builder
                .push(TimestampMs(1000 + at), Some(&key), Some(&value), &[])
                .unwrap();
        }
        builder.finish().freeze()
    })
}

async fn open(rt: &RingRuntime, dir: &Path, is_first: bool) -> Log<RingRuntime> {
    let ids = [JournalId(1)];
    let found = scan(rt, dir, if is_first { &[] } else { &ids })
        .await
        .unwrap();
    let mut shares = found.share_out(&ids, 1, |_| CoreId(0));
    let share = shares.remove(0);
    let log = Log::open(rt.clone(), options(dir), share, Box::new(NoCheckpoints))
        .await
        .unwrap();
    match is_first {
        true => log.create_group(GROUP, TOPIC, PARTITION, config()).unwrap(),
        false => log.configure(GROUP, config()),
    }
    log
}

async fn write(log: &Log<RingRuntime>) {
    for index in 1..=ENTRIES {
        let state = (index == 1).then_some(HardState {
            term: Term(1),
            vote: 1,
            commit: LogIndex(0),
        });
        log.append(GROUP, vec![entry(index)], state).unwrap();
        loop {
            let events = log.events().await;
            let done = |e: &Event| matches!(e, Event::Persisted { index: at, .. } if at.0 >= index);
            if events.iter().any(done) {
                break;
            }
        }
        log.commit(GROUP, LogIndex(index));
    }
}

/// A log with all entries, in which nothing is settled any more: so one pass is all that is due.
async fn written(rt: &RingRuntime, dir: &Path) -> Log<RingRuntime> {
    let log = open(rt, dir, true).await;
    write(&log).await;
    log.close().await.unwrap();
    drop(log);
    open(rt, dir, false).await
}

/// Asks for compaction until a pass has ended.
async fn compact(rt: &RingRuntime, log: &Log<RingRuntime>) {
    let end = Offset(ENTRIES as i64 * RECORDS);
    while log.core_stats().compaction.passes == 0 {
        if let Some(start) = log.compact(GROUP, TimestampMs(i64::MAX / 2), end) {
            assert_eq!(start.offset, Offset(0), "only the index moves");
            log.set_start(GROUP, start);
        }
        rt.yield_now().await;
    }
}

async fn read(log: &Log<RingRuntime>, from: Offset, upto: Offset) -> Vec<Bytes> {
    match log.read(GROUP, from, upto, 10 << 20, true).unwrap() {
        Read::Ready(parts) => parts,
        Read::Disk(plan) => plan.run(log).await.unwrap(),
    }
}

/// Every record, by its offset.
async fn read_all(log: &Log<RingRuntime>) -> BTreeMap<i64, Vec<u8>> {
    let (mut from, end) = (Offset(0), Offset(ENTRIES as i64 * RECORDS));
    let mut found = BTreeMap::new();
    while from < end {
        let bytes = read(log, from, end).await.concat();
        for batch in batches(&bytes) {
            let (header, batch) = batch.unwrap();
            from = header.next_offset();
            for record in records(batch, 1 << 20).unwrap().iter() {
                let record = record.unwrap();
                found.insert(record.offset.0, record.key.unwrap().to_vec());
            }
        }
    }
    found
}

/// Below `compacted` the last of each key that has none behind it there; everything above.
fn expected(compacted: i64) -> BTreeMap<i64, Vec<u8>> {
    let key = |at: i64| (at * 7 % KEYS).to_le_bytes().to_vec();
    let all = 0..ENTRIES as i64 * RECORDS;
    let is_last = |at: i64| at >= compacted || !(at + 1..compacted).any(|b| key(b) == key(at));
    all.filter(|at| is_last(*at))
        .map(|at| (at, key(at)))
        .collect()
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("topics")
        .join(TOPIC.to_string())
        .join(PARTITION.to_string())
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder(dir)).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_last_of_each_key_is_left_read_found_by_time_verified_and_salvaged() {
    in_folder(|rt, path| async move {
        let log = written(&rt, &path).await;
        let before = log.stats(GROUP).unwrap();
        compact(&rt, &log).await;
        let compacted = log.compacted_upto(GROUP);
        assert!(compacted > Offset(1000), "{compacted}");
        let expected = expected(compacted.0);
        assert!(read_all(&log).await == expected, "the last of each key");
        assert!(log.stats(GROUP).unwrap().bytes * 2 < before.bytes);
        // A read in the gap begins with the next that is left; so does a look by time.
        let first = *expected.keys().next().unwrap();
        assert!(first > 500, "the gap is large: {first}");
        let found = read(&log, Offset(5), Offset(ENTRIES as i64 * RECORDS)).await;
        let header = batches(&found[0]).next().unwrap().unwrap().0;
        assert!(header.base_offset.0 <= first && header.next_offset().0 > first);
        let upto = Offset(ENTRIES as i64 * RECORDS);
        let found = log.offset_at_time(GROUP, TimestampMs(1005), upto).await;
        assert_eq!(
            found.unwrap(),
            Some((Offset(first), TimestampMs(1000 + first)))
        );
        let last = ENTRIES as i64 * RECORDS - 1;
        let found = log.max_timestamp(GROUP, upto).await.unwrap();
        assert_eq!(found, Some((Offset(last), TimestampMs(1000 + last))));
        let found = log.max_timestamp(GROUP, compacted).await.unwrap();
        assert_eq!(found.map(|f| f.0), Some(Offset(compacted.0 - 1)));
        log.close().await.unwrap();
        drop(log);

        assert_eq!(verify(&rt, &path).await.unwrap(), vec![]);
        let saved = salvage(&rt, &path, &path.join("out")).await.unwrap();
        assert_eq!(saved[0].lost, vec![], "a gap is no loss");
        let log = open(&rt, &path, false).await;
        assert_eq!(log.compacted_upto(GROUP), compacted);
        assert_eq!(read_all(&log).await, expected);
        log.close().await.unwrap();
    });
}

#[test]
fn what_was_cut_short_is_removed_and_damage_is_named() {
    in_folder(|rt, path| async move {
        let log = written(&rt, &path).await;
        let plain = names(&path);
        let old: Vec<(String, Vec<u8>)> = plain
            .iter()
            .map(|n| (n.clone(), fs::read(folder(&path).join(n)).unwrap()))
            .collect();
        compact(&rt, &log).await;
        let expected = expected(log.compacted_upto(GROUP).0);
        log.close().await.unwrap();
        drop(log);
        let sound = names(&path);
        assert!(
            sound.iter().any(|n| n.ends_with(".00000001.log")),
            "{sound:?}"
        );
        // Killed behind the rename: what was replaced is still there. Killed before another:
        // a file that no map names.
        for (name, bytes) in &old {
            if name.ends_with(".log") && !sound.contains(name) {
                fs::write(folder(&path).join(name), bytes).unwrap();
            }
        }
        fs::write(
            folder(&path).join(format!("{:020}.00000009.log", 0)),
            b"half",
        )
        .unwrap();
        assert!(names(&path).len() > sound.len());
        assert_eq!(verify(&rt, &path).await.unwrap(), vec![]);
        let log = open(&rt, &path, false).await;
        assert_eq!(names(&path), sound);
        assert_eq!(read_all(&log).await, expected);
        log.close().await.unwrap();
        drop(log);
        let of_some = |n: &&String| {
            let bytes = fs::metadata(folder(&path).join(n)).unwrap().len();
            n.ends_with(".00000001.log") && bytes > 0
        };
        let name = sound.iter().find(of_some).unwrap();
        let mut bytes = fs::read(folder(&path).join(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(folder(&path).join(name), bytes).unwrap();
        let findings = verify(&rt, &path).await.unwrap();
        assert!(!findings.is_empty(), "a flipped bit is found");
        let saved = salvage(&rt, &path, &path.join("out")).await.unwrap();
        assert!(!saved[0].lost.is_empty(), "and what is lost by it is named");
    });
}
