//! Row 10's part for one node: SIGSTOP, and SIGCONT after a time. It may cost time and nothing else.
//!
//! Fault model: every thread of the process stands still for 0.1 s to `STOPPED_MAX`, longer than
//! some of the broker's and the clients' timers; every fifth time for up to `STOPPED_LONG_MAX`, and
//! every tenth for just that, longer than a request's time: the clients give up, connect anew
//! while nobody accepts, and send again what is idempotent.

use std::time::{Duration, Instant};

use crate::{Run, STYLES, Style, pause};

const STOPPED_MIN: Duration = Duration::from_millis(100);
const STOPPED_MAX: Duration = Duration::from_secs(8);
const STOPPED_LONG_MAX: Duration = Duration::from_secs(60);
/// A run of fewer rounds has no long stop.
const LONG_EVERY: u64 = 5;
const LONGEST_EVERY: u64 = 10;

/// # Errors
/// What keeps the scenario from being run.
pub async fn stop(run: &mut Run) -> Result<(), String> {
    let setup = run.setup()?;
    let bench = run.bench(&setup, 3)?;
    let (mut broker, _) = setup.serve().await?;
    let created = bench.create_topic(&[]).await;
    created.map_err(|e| format!("create a topic: {e}"))?;
    let mut resumed: Vec<Duration> = Vec::new();
    let mut longest_stop = Duration::ZERO;
    for round in 0..run.plan.rounds {
        let load = bench.start(&STYLES, 2, run.random.next_u64()).await;
        let load = load.map_err(|e| format!("start the load: {e}"))?;
        pause(run.between(Duration::ZERO, Duration::from_millis(300))).await;
        let stopped = time_of(run, round);
        longest_stop = longest_stop.max(stopped);
        broker.signal("STOP");
        bench.fault(format!("stopped for {} ms", stopped.as_millis()));
        pause(stopped).await;
        broker.signal("CONT");
        let since = Instant::now();
        let written = bench.write(Style::Idempotent, 1, 1).await;
        resumed.push(since.elapsed());
        if !matches!(written, Ok(1)) {
            run.fail(format!("no write after a stop: {written:?}"));
        }
        pause(Duration::from_millis(50)).await;
        load.stop().await;
        if !broker.is_running() {
            run.fail("the broker ended".to_owned());
            break;
        }
        if let Err(error) = bench.read_whole().await {
            run.fail(format!("read everything: {error}"));
        }
        run.round(|| format!("stopped for {} ms", stopped.as_millis()));
    }
    resumed.sort_unstable();
    let longest = resumed.last().map_or(0, Duration::as_millis);
    let seconds = format!("{:.1} s", longest_stop.as_secs_f64());
    run.note("longest stop", seconds);
    run.note("first write after CONT, at most", format!("{longest} ms"));
    run.close(&bench);
    broker.drain().await
}

/// Short stops are more frequent than long ones.
fn time_of(run: &mut Run, round: u64) -> Duration {
    if round % LONGEST_EVERY == LONGEST_EVERY - 1 {
        return STOPPED_LONG_MAX;
    }
    if round % LONG_EVERY == LONG_EVERY - 1 {
        return run.between(STOPPED_MAX, STOPPED_LONG_MAX);
    }
    let most = STOPPED_MAX / u32::try_from(1 + round % 8).unwrap_or(1);
    run.between(STOPPED_MIN, most.max(STOPPED_MIN * 2))
}
