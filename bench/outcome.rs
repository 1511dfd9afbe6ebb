//! result.json: what a run found, and whether to believe it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::overhead::Overhead;
use crate::settings::Settings;
use crate::summary::Summary;
use crate::tally::{LATE, SLOT};
use crate::totals::Totals;

/// The layout of result.json; readers refuse a higher one.
pub(crate) const FORMAT: u32 = 1;
/// Part of the requests that may be late.
const LATE_PART_MAX: f64 = 0.01;
/// Part of the rate that must be reached.
const RATE_PART_MIN: f64 = 0.99;
/// Requests by which a short run may miss the rate: those in flight at its ends.
const SHORT_MAX: u64 = 2;
/// A slot of the timeline whose slowest request took longer is a stall.
const STALL: Duration = Duration::from_millis(50);

/// What a run found.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub format: u32,
    pub version: &'static str,
    /// Milliseconds since 1970 in UTC, when the measured window began.
    pub started_ms: u64,
    pub command: Vec<String>,
    pub valid: bool,
    /// Why it is not valid.
    pub reasons: Vec<String>,
    /// What to know when reading the figures.
    pub notes: Vec<String>,
    /// Records acknowledged a second in the window; where nothing is produced, records read.
    pub rate_per_s: f64,
    pub bytes_per_s: f64,
    /// From the intended start of a request to its acknowledgement.
    pub publish_latency_us: Option<Summary>,
    /// From the intended start of a request to the moment at which a consumer had its batch.
    pub end_to_end_latency_us: Option<Summary>,
    /// From the real start of a request to its acknowledgement.
    pub service_time_us: Option<Summary>,
    /// From the intended to the real start of a request.
    pub send_lag_us: Option<Summary>,
    /// From asking for records to having them, where a consumer reads what was there before.
    pub fetch_time_us: Option<Summary>,
    pub counted: Counted,
    pub stalls: Stalls,
    pub generator: Generator,
    pub settings: Settings,
    /// What the cluster says about how safe a record is.
    pub durability: BTreeMap<String, String>,
}

/// Requests of the window, and records read.
#[derive(Debug, Serialize)]
pub struct Counted {
    pub requests_scheduled: u64,
    pub requests_acknowledged: u64,
    pub requests_unanswered: u64,
    pub requests_unsent: u64,
    pub requests_refused: BTreeMap<String, u64>,
    pub requests_late: u64,
    pub records_read: u64,
    pub read_records_per_s: f64,
    pub read_bytes_per_s: f64,
    /// Batches that were acknowledged but not read, in the window or not.
    pub batches_missing: u64,
}

/// How long requests that started around then were slow.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Stalls {
    pub limit_ms: f64,
    pub count: u64,
    pub total_ms: f64,
    pub longest_ms: f64,
}

/// What the generator did to the figures.
#[derive(Debug, Serialize)]
pub struct Generator {
    #[serde(flatten)]
    pub overhead: Overhead,
    /// Of all CPUs, for each request, over the whole run.
    pub cpu_us_per_request: f64,
    pub late_after_us: f64,
    pub workers: usize,
    /// Of the workers; below 0 they go before other threads of the host.
    pub niceness: i32,
}

/// What the run knows beside its counts.
#[derive(Debug)]
pub(crate) struct Facts {
    pub command: Vec<String>,
    pub started_ms: u64,
    pub durability: Vec<(String, String)>,
    pub overhead: Overhead,
    pub cpu: Duration,
    pub workers: usize,
    /// How much of the window was measured.
    pub measured: Duration,
    pub interrupted: bool,
    pub failures: Vec<String>,
}

impl Outcome {
    pub(crate) fn of(settings: &Settings, totals: &Totals, facts: Facts) -> Self {
        let published = &totals.published;
        let consumed = &totals.consumed;
        let counted = count(settings, totals, facts.measured);
        let reasons = reasons(settings, totals, &facts, &counted);
        let seconds = facts.measured.as_secs_f64().max(1e-9);
        let record_bytes = (settings.load.size + settings.load.key_bytes) as f64;
        let produced = published.acknowledged as f64 * settings.load.batch as f64 / seconds;
        let (rate_per_s, bytes_per_s) = match settings.mode.produces() {
            true => (produced, produced * record_bytes),
            false => (counted.read_records_per_s, counted.read_bytes_per_s),
        };
        let requests = published.acknowledged_in_all.max(1) as f64;
        let fetches = settings.mode.reads_history();
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            started_ms: facts.started_ms,
            command: facts.command,
            valid: reasons.is_empty(),
            reasons,
            notes: notes(settings),
            rate_per_s: rounded(rate_per_s),
            bytes_per_s: rounded(bytes_per_s),
            publish_latency_us: Summary::of(&published.publish),
            end_to_end_latency_us: Summary::of(&consumed.end_to_end),
            service_time_us: Summary::of(&published.service),
            send_lag_us: Summary::of(&published.lag),
            fetch_time_us: Summary::of(&consumed.fetch).filter(|_| fetches),
            counted,
            stalls: stalls(totals),
            generator: Generator {
                overhead: facts.overhead,
                cpu_us_per_request: rounded(facts.cpu.as_secs_f64() * 1e6 / requests),
                late_after_us: LATE.as_secs_f64() * 1e6,
                workers: facts.workers,
                niceness: published.niceness,
            },
            settings: settings.clone(),
            durability: facts.durability.into_iter().collect(),
        }
    }
}

fn count(settings: &Settings, totals: &Totals, measured: Duration) -> Counted {
    let (published, consumed) = (&totals.published, &totals.consumed);
    // What is read once is timed from the first answer to the last.
    let span = consumed.span.map(|(first, last)| last.since(first));
    let reading = match settings.mode.reads_history() {
        true => span.unwrap_or_default(),
        false => measured,
    };
    let reading = reading.as_secs_f64().max(1e-9);
    let follows = settings.mode == crate::Mode::Both;
    let missing = published
        .acknowledged_in_all
        .saturating_sub(consumed.batches_in_all);
    Counted {
        requests_scheduled: published.scheduled,
        requests_acknowledged: published.acknowledged,
        requests_unanswered: published.unanswered,
        requests_unsent: published.unsent,
        requests_refused: published.refused.clone(),
        requests_late: published.late,
        records_read: consumed.records,
        read_records_per_s: rounded(consumed.records as f64 / reading),
        read_bytes_per_s: rounded(consumed.bytes as f64 / reading),
        batches_missing: if follows { missing } else { 0 },
    }
}

/// Why a run says nothing.
fn reasons(settings: &Settings, totals: &Totals, facts: &Facts, counted: &Counted) -> Vec<String> {
    let mut reasons = facts.failures.clone();
    let mut add = |wrong: bool, why: String| {
        if wrong {
            reasons.push(why);
        }
    };
    let measured = facts.measured.as_secs_f64();
    add(
        facts.interrupted,
        format!("interrupted: {measured:.1} s were measured"),
    );
    let scheduled = counted.requests_scheduled;
    let acknowledged = counted.requests_acknowledged;
    if settings.requests_per_s().is_some() && settings.mode.produces() {
        let late = counted.requests_late as f64 / scheduled.max(1) as f64;
        let limit = LATE.as_secs_f64() * 1e3;
        add(
            late > LATE_PART_MAX,
            format!(
                "{:.1} % of the requests started over {limit} ms late",
                late * 100.0
            ),
        );
        let part = acknowledged as f64 / scheduled.max(1) as f64;
        add(
            part < RATE_PART_MIN && scheduled.saturating_sub(acknowledged) > SHORT_MAX,
            format!("{:.1} % of the rate was reached", part * 100.0),
        );
    }
    let refused: u64 = counted.requests_refused.values().sum();
    let why: Vec<&str> = counted
        .requests_refused
        .keys()
        .map(String::as_str)
        .collect();
    add(
        refused > 0,
        format!("{refused} requests were refused: {}", why.join(", ")),
    );
    let unanswered = counted.requests_unanswered;
    add(
        unanswered > 0,
        format!("{unanswered} requests got no answer"),
    );
    let missing = counted.batches_missing;
    add(
        missing > 0,
        format!("{missing} acknowledged batches were not read"),
    );
    let unsent = counted.requests_unsent;
    add(unsent > 0, format!("{unsent} requests were never sent"));
    add(
        settings.mode.produces() && scheduled == 0,
        "no request starts in the measured time".to_owned(),
    );
    add(
        settings.mode.produces() && scheduled > 0 && acknowledged == 0,
        "nothing was acknowledged".to_owned(),
    );
    add(
        settings.mode.consumes() && totals.consumed.span.is_none(),
        "nothing was read".to_owned(),
    );
    reasons
}

fn notes(settings: &Settings) -> Vec<String> {
    let mut notes = Vec::new();
    let mut add = |applies: bool, note: &str| {
        if applies {
            notes.push(note.to_owned());
        }
    };
    let produces = settings.mode.produces();
    add(
        produces && settings.requests_per_s().is_none(),
        "closed loop: latencies begin at the real start and leave queueing out",
    );
    add(
        produces && settings.load.acks == crate::Acks::None,
        "acks=0: a request counts as acknowledged when the kernel has its bytes",
    );
    let native = settings.target.driver == crate::Driver::Native;
    add(
        native && settings.mode.reads_history(),
        "fetch time is the wait for the next frame of a subscription",
    );
    add(
        settings.load.batch > 1,
        "a sample is a batch: all its records share one intended start",
    );
    add(
        settings.mode.consumes() && !settings.mode.reads_history(),
        "end to end is on one clock: producers and consumers must be on one host",
    );
    notes
}

fn stalls(totals: &Totals) -> Stalls {
    let slow = totals.slots.iter().filter(|(_, slot)| slot.slowest > STALL);
    let numbers: Vec<u64> = slow.map(|(number, _)| *number).collect();
    let mut runs: Vec<u64> = Vec::new();
    for (at, number) in numbers.iter().enumerate() {
        let follows = at > 0 && numbers.get(at - 1).is_some_and(|last| last + 1 == *number);
        match runs.last_mut() {
            Some(run) if follows => *run += 1,
            _ => runs.push(1),
        }
    }
    let slot = SLOT.as_secs_f64() * 1e3;
    Stalls {
        limit_ms: STALL.as_secs_f64() * 1e3,
        count: runs.len() as u64,
        total_ms: slot * numbers.len() as f64,
        longest_ms: slot * runs.iter().max().copied().unwrap_or(0) as f64,
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
