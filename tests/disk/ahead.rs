//! What is read from front to back is read ahead, whatever the sizes of reads and batches.

use super::bulk::{batch_entry, write_ahead};
use super::*;

const MIB: usize = 1 << 20;

/// Entries that were settled before this start.
async fn settled(rt: &RingRuntime, dir: &Path, count: u64, size: usize) -> Log<RingRuntime> {
    let mut options = options(dir);
    options.journal.file_bytes = 12 << 20;
    let log = create(rt, options.clone(), 64 << 20).await;
    write_ahead(&log, 1..=count, size).await;
    log.close().await.unwrap();
    drop(log);
    let found = scan(rt, dir, &[JournalId(1)]).await.unwrap();
    open_with(rt, options, found, &[JournalId(1)]).await
}

fn all(count: u64, size: usize) -> Vec<u8> {
    let each = (1..=count).map(|index| batch_entry(index, size).data);
    each.collect::<Vec<_>>().concat()
}

fn end(count: u64) -> i64 {
    batch_entry(count, 1).next_offset.0
}

/// Reads all in steps of at most `bytes_max`; the tail, which is in memory, comes with the last.
async fn read_through(log: &Log<RingRuntime>, upto: i64, bytes_max: usize) -> (Vec<u8>, usize) {
    let (mut next, mut bytes, mut steps) = (Offset(0), Vec::new(), 0);
    while next < Offset(upto) {
        let read = log.read(GROUP, next, Offset(upto), bytes_max as u32, true);
        let parts = match read.unwrap() {
            Read::Ready(parts) => parts,
            Read::Disk(plan) => plan.run(log).await.unwrap(),
        };
        let found = parts.concat();
        let batches = corelog_record::batches(&found).map(Result::unwrap);
        let (mut count, mut last) = (0, next);
        for (header, _) in batches {
            (count, last) = (count + 1, header.next_offset());
        }
        assert!(last > next, "nothing at {next}");
        assert!(found.len() <= bytes_max || count == 1, "{}", found.len());
        next = last;
        bytes.extend_from_slice(&found);
        steps += 1;
    }
    (bytes, steps)
}

fn check(count: u64, size: usize, bytes_max: usize) {
    in_folder(move |rt, path| async move {
        let log = settled(&rt, &path, count, size).await;
        let written = all(count, size);
        let (bytes, steps) = read_through(&log, end(count), bytes_max).await;
        assert!(bytes == written, "{size}, at most {bytes_max}");
        // Each MiB once, but for what the first read took; and the map.
        let reads = log.core_stats().disk_reads as usize;
        let least = written.len() / MIB;
        assert!(reads <= least + 6, "{reads} for {least} MiB");
        let what = format!("{steps} of {bytes_max}, {size}");
        assert!(steps >= written.len() / bytes_max.max(3 * size), "{what}");
        log.close().await.unwrap();
    });
}

#[test]
fn small_reads_cost_one_of_the_disk_a_mib() {
    check(2700, 1500, 40 << 10);
}

#[test]
fn reads_that_are_larger_than_a_block() {
    check(2700, 1500, 5 * MIB / 2);
}

#[test]
fn batches_that_lie_in_two_blocks() {
    check(40, 100 << 10, 100 << 10);
    check(40, 100 << 10, 8 * MIB);
}

#[test]
fn batches_that_lie_in_four_blocks() {
    check(6, MIB, 100 << 10);
    check(6, MIB, 8 * MIB);
}

/// Whoever reads somewhere asks the disk for no more at once than who reads on, and is answered once
/// there is enough.
#[test]
fn a_read_in_the_middle_does_not_wait_for_all_of_it() {
    in_folder(|rt, path| async move {
        let log = settled(&rt, &path, 2700, 1500).await;
        let middle = Offset(end(1000));
        let read = log.read(GROUP, middle, Offset(end(2700)), 8 * MIB as u32, true);
        let Ok(Read::Disk(plan)) = read else {
            panic!("{middle} is not on disk");
        };
        let found = plan.run(&log).await.unwrap().concat();
        assert!((MIB..2 * MIB).contains(&found.len()), "{}", found.len());
        assert!(log.core_stats().disk_reads <= 3, "the map, and two");
        log.close().await.unwrap();
    });
}

#[test]
fn entries_for_a_follower() {
    in_folder(|rt, path| async move {
        let log = settled(&rt, &path, 2700, 1500).await;
        let bytes = all(2700, 1500).len();
        let entries = entries_all(&log, 1, 2701).await;
        let wanted: Vec<Entry> = (1..=2700).map(|index| batch_entry(index, 1500)).collect();
        assert!(entries == wanted);
        let reads = log.core_stats().disk_reads as usize;
        assert!(reads <= bytes / MIB + 6, "{reads}");
        log.close().await.unwrap();
    });
}

#[test]
fn two_who_read_the_same_wait_for_the_same_bytes() {
    in_folder(|rt, path| async move {
        let log = settled(&rt, &path, 2700, 1500).await;
        let written = all(2700, 1500);
        let mut readers = [0, 1].map(|_| {
            let (log, sent) = (log.clone(), oneshot());
            rt.spawn(async move {
                let (bytes, _) = read_through(&log, end(2700), MIB).await;
                let _ = sent.0.send(bytes);
            });
            sent.1
        });
        for reader in &mut readers {
            assert!(reader.await.unwrap() == written);
        }
        let reads = log.core_stats().disk_reads as usize;
        assert!(reads <= 2 * (written.len() / MIB), "{reads}");
        log.close().await.unwrap();
    });
}

/// What lies before the damage is given, and the damage is named as without reading ahead.
#[test]
fn damage_ahead_is_met_where_it_lies() {
    in_folder(|rt, path| async move {
        let log = settled(&rt, &path, 2700, 1500).await;
        let folder = path.join("topics").join(TOPIC.to_string()).join("2");
        let segment = folder.join(format!("{:020}.log", 0));
        let mut bytes = fs::read(&segment).unwrap();
        bytes[5 * MIB] ^= 1;
        fs::write(&segment, bytes).unwrap();
        let mut next = Offset(0);
        let error = loop {
            let Ok(Read::Disk(plan)) = log.read(GROUP, next, Offset(i64::MAX), 100 << 10, true)
            else {
                panic!("{next} is not on disk");
            };
            match plan.run(&log).await {
                Ok(parts) => {
                    for found in corelog_record::batches(&Bytes::from(parts.concat())) {
                        next = found.unwrap().0.next_offset();
                    }
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, Kind::Damaged);
        let range = error.range.unwrap();
        assert!(range.contains(&next), "{next} {range:?}");
        // The batches of one chunk, and the one that begins before it.
        let batches = (range.end.0 - range.start.0) / RECORDS;
        assert!(batches < 40, "{range:?}");
        let at = (5 * MIB / batch(0, 1500).len()) as i64 * RECORDS;
        assert!(range.contains(&Offset(at)), "{at} {range:?}");
        log.close().await.unwrap();
    });
}
