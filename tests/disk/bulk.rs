//! A group that goes around the journal.

use std::time::Duration;

use super::*;

/// A batch, at an index below which each entry is one.
pub(super) fn batch_entry(index: u64, size: usize) -> Entry {
    common::batch_entry(index, RECORDS, |base| batch(base, size))
}

/// Appends all, and commits each that is durable.
pub(super) async fn write_ahead(
    log: &Log<RingRuntime>,
    indexes: std::ops::RangeInclusive<u64>,
    size: usize,
) {
    let last = LogIndex(*indexes.end());
    for index in indexes {
        log.append(GROUP, vec![batch_entry(index, size)], None)
            .unwrap();
    }
    commit_through(log, last).await;
}

#[test]
fn bulk_goes_on_from_segment_to_segment() {
    const SIZE: usize = 20_000;
    in_folder(|rt, path| async move {
        let mut options = options(&path);
        options.bulk.entry_bytes_min = 1 << 10;
        options.bulk.bytes_ahead_min = 1 << 16;
        // A busy machine takes its time from one segment to the next.
        options.bulk.wait_max = Duration::from_secs(60);
        let log = create(&rt, options, 300 << 10).await;
        // Alone, each goes by way of the journal; then there is a segment.
        for index in 1..=3 {
            write_ahead(&log, index..=index, SIZE).await;
        }
        while log.stats(GROUP).unwrap().segments == 0 {
            rt.sleep(Duration::from_millis(1)).await;
        }
        write_ahead(&log, 4..=60, SIZE).await;
        let all: Vec<u8> = (1..=60)
            .flat_map(|i| batch_entry(i, SIZE).data.to_vec())
            .collect();
        // Who leaves at a segment's end rests for longer than this.
        let bulk = log.core_stats().bulk_bytes_written;
        assert!(bulk > all.len() as u64 / 3 * 2, "{:?}", log.core_stats());
        assert!(log.stats(GROUP).unwrap().segments > 8);
        assert!(read_all(&log, 0, 180).await == all);
        log.close().await.unwrap();
        drop(log);
        let log = again(&rt, &path).await;
        assert!(read_all(&log, 0, 180).await == all);
        log.close().await.unwrap();
        assert_eq!(verify(&rt, &path).await.unwrap(), vec![]);
    });
}
