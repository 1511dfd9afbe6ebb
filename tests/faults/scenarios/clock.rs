//! Row 14: the wall clock jumps by an hour, back and forth.
//!
//! Fault model: libfaketime moves `CLOCK_REALTIME` of the broker's process by -1 h, 0 or +1 h, several
//! times a second; the monotonic clock goes on. The topic keeps records for ten minutes: no jump may
//! delete one, and none may hinder writes and reads.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corelog_client::{NewRecord, Producer, ProducerOptions};

use crate::{Bench, Run, STYLES, bytes_of, pause};

const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];
const HOUR_MS: i64 = 3_600_000;

/// # Errors
/// What keeps the scenario from being run.
pub async fn clock(run: &mut Run) -> Result<(), String> {
    let Some(library) = LIBRARIES.iter().find(|path| Path::new(path).exists()) else {
        run.outcome.skipped = Some("libfaketime is not installed".to_owned());
        return Ok(());
    };
    let mut setup = run.setup()?;
    let clock = run.plan.dir.join("clock");
    set(&clock, "+0")?;
    setup.environment.extend([
        ("LD_PRELOAD".to_owned(), (*library).to_owned()),
        ("FAKETIME_TIMESTAMP_FILE".to_owned(), path_text(&clock)),
        ("FAKETIME_NO_CACHE".to_owned(), "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC".to_owned(), "1".to_owned()),
    ]);
    setup.settings = vec![("log.journal_file_bytes", "1MiB".to_owned())];
    let bench = run.bench(&setup, 3)?;
    let mut stamped = run.bench(&setup, 1)?;
    stamped.topic = "faults-clock".to_owned();
    let (broker, _) = setup.serve().await?;
    let failed = |e: corelog_client::Error| e.to_string();
    let keep = [("retention.ms", "600000"), ("segment.bytes", "1048576")];
    bench.create_topic(&keep).await.map_err(failed)?;
    let append_time = [("message.timestamp.type", "LogAppendTime")];
    stamped.create_topic(&append_time).await.map_err(failed)?;
    let mut jumps = 0;
    for _ in 0..run.plan.rounds {
        let load = bench.start(&STYLES, 2, run.random.next_u64()).await;
        let load = load.map_err(failed)?;
        for _ in 0..1 + run.random.below(20) {
            let at = ["+0", "+3600", "-3600"][usize::try_from(run.random.below(3)).unwrap_or(0)];
            set(&clock, at)?;
            bench.fault(format!("clock {at}"));
            jumps += 1;
            pause(run.between(Duration::from_millis(5), Duration::from_millis(150))).await;
        }
        // The fault reaches the broker: its stamps are an hour ahead.
        set(&clock, "+3600")?;
        let ahead = append_time_ahead(&stamped).await.map_err(failed)?;
        if ahead < HOUR_MS / 2 {
            return Err(format!("the broker's clock did not move: {ahead} ms ahead"));
        }
        load.stop().await;
        if let Err(error) = bench.read_whole().await {
            run.fail(format!("read everything: {error}"));
        }
        run.round(|| format!("{jumps} jumps, stamps {ahead} ms ahead"));
    }
    run.note("jumps", jumps);
    run.close(&bench);
    run.close(&stamped);
    broker.drain().await
}

/// libfaketime reads the file at every look at the clock: it is replaced as a whole.
fn set(clock: &PathBuf, at: &str) -> Result<(), String> {
    let fresh = clock.with_extension("new");
    let written = std::fs::write(&fresh, format!("{at}\n"));
    let written = written.and_then(|()| std::fs::rename(&fresh, clock));
    written.map_err(|e| format!("{}: {e}", clock.display()))
}

fn path_text(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned()
}

/// By how many ms a record's append time is ahead of this process' clock.
async fn append_time_ahead(bench: &Bench) -> Result<i64, corelog_client::Error> {
    let client = bench.client(Duration::from_secs(10)).await?;
    let producer = Producer::new(&client, ProducerOptions::default())?;
    let value = bytes_of(1);
    let record = NewRecord {
        topic: bench.topic.clone(),
        value: Some(value),
        ..NewRecord::default()
    };
    let delivered = producer.send(record).await?.await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_millis());
    Ok(delivered.timestamp.0 - i64::try_from(now).unwrap_or(0))
}
