//! The generator against brokers whose answers are known.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use corelog_base::Monotonic;
use corelog_record::Codec;
use tempfile::TempDir;

use crate::sink::{AnswerAt, Sink};
use crate::{
    Acks, Arrivals, Driver, Kind, Load, Mode, Outcome, Rate, Rates, Settings, Stop, Target, run,
    sweep,
};

fn settings(sink: &Sink, dir: &TempDir, rate: Rate) -> Settings {
    Settings {
        target: Target {
            driver: Driver::Kafka,
            bootstrap: vec![sink.address()],
            topic: "any".to_owned(),
            partitions: 3,
        },
        load: Load {
            rate,
            arrivals: Arrivals::Uniform,
            acks: Acks::All,
            size: 100,
            key_bytes: 0,
            batch: 1,
            compression: Codec::None,
            connections: 1,
            in_flight: 4,
            consumers: 1,
        },
        mode: Mode::Produce,
        duration: Duration::from_secs(2),
        warmup: Duration::from_millis(500),
        pin: Vec::new(),
        out: dir.path().to_owned(),
    }
}

/// What is judged by its times has the machine to itself; what is counted shares it.
static MACHINE: RwLock<()> = RwLock::new(());

fn shared() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

fn measure(
    answer_at: Option<AnswerAt>,
    rate: Rate,
    change: impl FnOnce(&mut Settings),
) -> (Outcome, TempDir) {
    let _shared = shared();
    measure_now(answer_at, rate, change)
}

fn measure_now(
    answer_at: Option<AnswerAt>,
    rate: Rate,
    change: impl FnOnce(&mut Settings),
) -> (Outcome, TempDir) {
    let sink = Sink::start(answer_at).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&sink, &dir, rate);
    change(&mut settings);
    let outcome = run(&settings, &[], &Stop::default(), &mut |_| {}).unwrap();
    (outcome, dir)
}

/// In milliseconds, of a distribution that ends at 1 s or before. It is never much less; more of it,
/// up to 100 ms, is what a machine adds that also does other things.
fn near(micros: Option<f64>, expected: f64) -> Result<(), String> {
    let ms = micros.expect("there are samples enough") / 1e3;
    match (expected - 30.0..=expected + 100.0).contains(&ms) {
        true => Ok(()),
        false => Err(format!("{ms} is not near {expected}")),
    }
}

/// A machine that is busy elsewhere delays sender and fake broker alike, which the benchmark rightly
/// reports. A report that is wrong by itself is wrong each time. They wait most of their time, so the
/// cases run beside each other at first, and then each by itself.
fn one_of_three<T: Copy + Send + Sync>(cases: &[T], measurement: fn(T) -> Result<(), String>) {
    let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    let first: Vec<Result<(), String>> = thread::scope(|scope| {
        let started = cases.iter().map(|case| scope.spawn(|| measurement(*case)));
        let started: Vec<_> = started.collect();
        let ended = started.into_iter().map(|case| case.join().unwrap());
        ended.collect()
    });
    for (case, first) in cases.iter().zip(first) {
        let again = std::iter::repeat_with(|| measurement(*case)).take(2);
        let all = std::iter::once(first).chain(again);
        let failures: Vec<String> = all.map_while(Result::err).collect();
        assert!(failures.len() < 3, "{failures:?}");
    }
}

/// The broker answers only every second, so latencies are even between 0 and 1 s.
#[test]
fn known_delays_are_reported() {
    let cases = [
        (Driver::Kafka, Arrivals::Uniform),
        (Driver::Kafka, Arrivals::Poisson),
        (Driver::Native, Arrivals::Poisson),
    ];
    one_of_three(&cases, |(driver, arrivals)| {
        const TICK: u64 = 1_000_000_000;
        let answer_at: AnswerAt = Arc::new(|came: Monotonic| Monotonic((came.0 / TICK + 1) * TICK));
        let rate = Rate::PerSecond(6000.0);
        let (outcome, _dir) = measure_now(Some(answer_at), rate, |settings| {
            settings.target.driver = driver;
            settings.load.arrivals = arrivals;
            settings.load.connections = 2;
            // What the window's first answers are for was all sent at the full rate.
            settings.warmup = Duration::from_secs(1);
        });
        let publish = outcome.publish_latency_us.unwrap();
        assert!((11_000..13_000).contains(&publish.samples), "{publish:?}");
        assert_eq!(publish.p99_9, None);
        near(publish.p50, 500.0)?;
        near(publish.p90, 900.0)?;
        near(publish.p99, 990.0)?;
        near(Some(publish.max), 1000.0)?;
        near(Some(publish.mean), 500.0)?;
        match (outcome.rate_per_s / 6000.0 - 1.0).abs() < 0.1 {
            true => Ok(()),
            false => Err(format!("{outcome:?}")),
        }
    });
}

/// For half a second of two nothing is answered. A closed loop would see one slow request; here
/// every request that was meant to start in that time is slow: a quarter of all, evenly up to 500 ms.
#[test]
fn a_stall_hits_every_request_that_fell_into_it() {
    one_of_three(&[Driver::Kafka, Driver::Native], |driver| {
        let first = OnceLock::new();
        let answer_at: AnswerAt = Arc::new(move |came| {
            let from = *first.get_or_init(|| came) + Duration::from_secs(1);
            let until = from + Duration::from_millis(500);
            match (from..until).contains(&came) {
                true => until,
                false => came,
            }
        });
        let rate = Rate::PerSecond(6000.0);
        let (outcome, _dir) = measure_now(Some(answer_at), rate, |settings| {
            settings.target.driver = driver;
        });
        let publish = outcome.publish_latency_us.unwrap();
        near(publish.p50, 0.0)?;
        near(publish.p90, 300.0)?;
        near(publish.p99, 480.0)?;
        near(Some(publish.max), 500.0)?;
        near(Some(outcome.stalls.longest_ms * 1e3), 500.0)?;
        // The generator was not at fault: it has sent in time all the while.
        near(outcome.send_lag_us.unwrap().p50, 0.0)
    });
}

#[test]
fn a_run_leaves_its_folder() {
    let (outcome, dir) = measure(None, Rate::PerSecond(2000.0), |settings| {
        settings.duration = Duration::from_secs(2);
        settings.load.batch = 10;
        settings.load.key_bytes = 8;
    });
    assert_eq!(outcome.counted.requests_scheduled, 400);
    assert_eq!(outcome.counted.requests_unanswered, 0);
    let read = |file: &str| std::fs::read_to_string(dir.path().join(file)).unwrap();
    let result: serde_json::Value = serde_json::from_str(&read("result.json")).unwrap();
    assert_eq!(result["settings"]["load"]["rate"], 2000.0);
    assert_eq!(result["end_to_end_latency_us"], serde_json::Value::Null);
    let publish = &result["publish_latency_us"];
    assert_eq!(publish["samples"], 400);
    assert!(publish["p50"].as_f64().unwrap() > 0.0);
    assert_eq!(publish["p99"], serde_json::Value::Null);
    assert!(read("publish.hgrm").contains("Total count    =          400"));
    let environment: serde_json::Value = serde_json::from_str(&read("env.json")).unwrap();
    assert!(environment["kernel"]["version"].is_string());
    let page = read("report.html");
    assert_eq!(page.matches("<svg").count(), 2);
    for outside in ["<script", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let log = read("publish.hlog");
    let intervals = log.lines().filter(|line| line.contains("HIST"));
    assert!(intervals.count() >= 2, "{log}");
}

#[test]
fn the_closed_loop_keeps_so_many_in_flight() {
    const WAIT: Duration = Duration::from_millis(20);
    let answer_at: AnswerAt = Arc::new(|came| came + WAIT);
    let (outcome, _dir) = measure(Some(answer_at), Rate::Max, |settings| {
        settings.duration = Duration::from_secs(2);
    });
    // Four in flight, each for 20 ms or a little more.
    let most = 4.0 / WAIT.as_secs_f64();
    assert!(outcome.rate_per_s <= most * 1.02, "{}", outcome.rate_per_s);
    assert!(outcome.rate_per_s >= most * 0.5, "{}", outcome.rate_per_s);
    assert!(outcome.valid, "{:?}", outcome.reasons);
    assert!(
        outcome
            .notes
            .iter()
            .any(|note| note.contains("closed loop"))
    );
}

#[test]
fn what_was_measured_before_a_stop_is_kept() {
    let _shared = shared();
    let sink = Sink::start(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&sink, &dir, Rate::PerSecond(1000.0));
    settings.duration = Duration::from_secs(3600);
    let stop = Stop::default();
    let mut seconds = 0;
    let mut say = |_: &str| {
        seconds += 1;
        if seconds == 2 {
            stop.request();
        }
    };
    let outcome = run(&settings, &[], &stop, &mut say).unwrap();
    assert!(!outcome.valid);
    assert!(
        outcome.reasons[0].starts_with("interrupted"),
        "{:?}",
        outcome.reasons
    );
    let samples = outcome.publish_latency_us.unwrap().samples;
    assert!((1000..2500).contains(&samples), "{samples}");
    assert!(
        (outcome.rate_per_s / 1000.0 - 1.0).abs() < 0.1,
        "{}",
        outcome.rate_per_s
    );
}

#[test]
fn without_acknowledgements_the_kernel_counts() {
    let (outcome, _dir) = measure(None, Rate::PerSecond(500.0), |settings| {
        settings.load.acks = Acks::None;
        settings.load.compression = Codec::Lz4;
        settings.duration = Duration::from_secs(1);
    });
    assert_eq!(outcome.publish_latency_us.unwrap().samples, 500);
    assert!(outcome.notes.iter().any(|note| note.contains("acks=0")));
}

/// Batches of changing length, and what the protocol does not have.
#[test]
fn the_native_driver_compresses_and_refuses_acks_0() {
    let (outcome, _dir) = measure(None, Rate::PerSecond(500.0), |settings| {
        settings.target.driver = Driver::Native;
        settings.load.compression = Codec::Zstd;
        settings.load.batch = 5;
        settings.duration = Duration::from_secs(1);
    });
    assert_eq!(outcome.publish_latency_us.unwrap().samples, 100);
    assert_eq!(outcome.counted.requests_unanswered, 0);
    let sink = Sink::start(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&sink, &dir, Rate::Max);
    settings.target.driver = Driver::Native;
    settings.load.acks = Acks::None;
    let error = run(&settings, &[], &Stop::default(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, Kind::Usage);
}

#[test]
fn a_sweep_leaves_a_folder_a_rate() {
    let _shared = shared();
    let sink = Sink::start(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&sink, &dir, Rate::Max);
    settings.duration = Duration::from_secs(1);
    let rates = Rates::Listed(vec![400.0, 200.0]);
    let swept = sweep(&settings, &rates, &[], &Stop::default(), &mut |_| {}).unwrap();
    let asked = swept.points.iter().map(|point| point.requested_rate_per_s);
    // A rate that was spoilt was tried again.
    let mut asked: Vec<f64> = asked.collect();
    asked.dedup();
    assert_eq!(asked, [200.0, 400.0]);
    for point in &swept.points {
        assert!(dir.path().join(&point.folder).join("result.json").exists());
        let samples = point.publish_latency_us.unwrap().samples as f64;
        assert_eq!(samples, point.requested_rate_per_s);
    }
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("Latency by load") && page.contains("publish p50"));
    settings.mode = Mode::Consume;
    assert!(sweep(&settings, &rates, &[], &Stop::default(), &mut |_| {}).is_err());
}
