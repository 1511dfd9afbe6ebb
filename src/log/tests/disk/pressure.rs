//! Memory that is short.

use std::time::{Duration, Instant};

use super::bulk::write_ahead;
use super::*;

/// A group that is far from due by itself is settled once half of the budget is used: by the commit
/// that uses it, not when somebody happens to look, which is once a second.
#[test]
fn short_memory_is_settled_at_once() {
    const SIZE: usize = 20_000;
    const TIMES: u64 = 5;
    const EACH: u64 = 8;
    in_folder(|rt, path| async move {
        let mut options = common::options(&path, 4 << 20);
        options.unsettled_bytes_max = 256 << 10;
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
