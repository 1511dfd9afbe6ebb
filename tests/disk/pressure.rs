//! Memory that is short.

use std::time::{Duration, Instant};

use corelog_base::{GroupId, PartitionIndex};

use super::bulk::{batch_entry, write_ahead};
use super::*;

fn short(path: &Path) -> Options {
    Options {
        unsettled_bytes_max: 256 << 10,
        ..common::options(path, 4 << 20)
    }
}

/// So much does not fit now, and does once the log says that there is room.
async fn refused_then_taken(rt: &RingRuntime, log: &Log<RingRuntime>, bytes: u64) {
    let refused = log.admit(GROUP, bytes).unwrap_err();
    assert_eq!(refused.kind, Kind::Overloaded);
    let told = async { while !log.events().await.contains(&Event::Pressure(false)) {} };
    let told = corelog_rt::timeout(rt, Duration::from_secs(10), told).await;
    assert!(told.is_ok(), "{:?}", log.core_stats());
    log.admit(GROUP, bytes).unwrap();
}

/// A group that is far from due by itself is settled once half of the budget is used: by the commit
/// that uses it, not when somebody happens to look, which is once a second.
#[test]
fn short_memory_is_settled_at_once() {
    const SIZE: usize = 20_000;
    const TIMES: u64 = 5;
    const EACH: u64 = 8;
    in_folder(|rt, path| async move {
        let options = short(&path);
        let half = options.unsettled_bytes_max / 2;
        let log = create(&rt, options, 16 << 20).await;
        let started = Instant::now();
        for time in 0..TIMES {
            let first = time * EACH + 1;
            write_ahead(&log, first..=first + EACH - 1, SIZE).await;
            while log.core_stats().unsettled_bytes >= half {
                rt.sleep(Duration::from_millis(1)).await;
            }
        }
        let took = started.elapsed();
        assert!(took < Duration::from_millis(TIMES * 500), "{took:?}");
        log.close().await.unwrap();
    });
}

/// What does not fit into the rest of the budget is refused while the budget is not used up, and
/// even while less is used than what starts the settler: whoever waits is told all the same.
#[test]
fn whoever_is_refused_is_told_of_room() {
    const SIZE: usize = 6_000;
    in_folder(|rt, path| async move {
        let options = short(&path);
        let budget = options.unsettled_bytes_max;
        let log = create(&rt, options, 16 << 20).await;
        for (first, bytes) in [(1, budget), (6, budget - 30_000)] {
            write_ahead(&log, first..=first + 4, SIZE).await;
            let used = log.core_stats().unsettled_bytes;
            assert!(0 < used && used < budget / 2, "{used}");
            refused_then_taken(&rt, &log, bytes).await;
        }
        log.close().await.unwrap();
    });
}

/// The same where no group has a whole block to settle.
#[test]
fn many_small_groups_make_room() {
    const GROUPS: u64 = 200;
    in_folder(|rt, path| async move {
        let options = short(&path);
        let budget = options.unsettled_bytes_max;
        let log = create(&rt, options, 16 << 20).await;
        for number in 100..100 + GROUPS {
            let group = GroupId(number);
            let partition = PartitionIndex(number as i32);
            log.create_group(group, TOPIC, partition, GroupConfig::default())
                .unwrap();
            log.append(group, vec![batch_entry(1, 1000)], None).unwrap();
        }
        let mut persisted = 0;
        while persisted < GROUPS {
            for event in log.events().await {
                if let Event::Persisted { group, index, .. } = event {
                    log.commit(group, index);
                    persisted += 1;
                }
            }
        }
        refused_then_taken(&rt, &log, budget).await;
        log.close().await.unwrap();
    });
}
