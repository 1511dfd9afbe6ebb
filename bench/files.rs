//! The folder of a run: histograms in the formats that other tools read, and the result.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use serde_json::Value;

use crate::histogram::{self, Sparse, Times};
use crate::totals::{Interval, Totals};
use crate::{Error, Outcome, report};

/// Nanoseconds in a millisecond: .hgrm files and the plain column of .hlog files are in
/// milliseconds, as plotters expect.
const MILLI: f64 = 1e6;
/// Steps of a percentile distribution to each halving of what is above.
const TICKS: u32 = 5;

pub(crate) fn make(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(Error::io(format!("make {}", dir.display())))
}

pub(crate) fn write(
    dir: &Path,
    outcome: &Outcome,
    totals: &Totals,
    environment: &Value,
) -> Result<(), Error> {
    write_text(dir, "result.json", &json(outcome)?)?;
    write_text(dir, "env.json", &json(environment)?)?;
    let page = report::of_run(outcome, totals, environment);
    write_text(dir, "report.html", &page)?;
    let (published, consumed) = (&totals.published, &totals.consumed);
    let all = [
        ("publish", &published.publish),
        ("end_to_end", &consumed.end_to_end),
        ("service", &published.service),
        ("send_lag", &published.lag),
    ];
    for (name, times) in all {
        if !times.is_empty() {
            let file = format!("{name}.hgrm");
            into(dir, &file, |out| distribution(out, times))?;
        }
    }
    let began = SystemTime::UNIX_EPOCH + Duration::from_millis(outcome.started_ms);
    if !published.publish.is_empty() {
        let pick = |interval: &Interval| interval.publish.clone();
        into(dir, "publish.hlog", |out| log(out, began, totals, pick))?;
    }
    if !consumed.end_to_end.is_empty() {
        let pick = |interval: &Interval| interval.end_to_end.clone();
        into(dir, "end_to_end.hlog", |out| log(out, began, totals, pick))?;
    }
    Ok(())
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| Error::io("write JSON")(error.into()))?;
    Ok(text + "\n")
}

pub(crate) fn write_text(dir: &Path, file: &str, text: &str) -> Result<(), Error> {
    into(dir, file, |out| out.write_all(text.as_bytes()))
}

fn into(
    dir: &Path,
    file: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Error> {
    let path = dir.join(file);
    let written = File::create(&path).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    });
    written.map_err(Error::io(format!("write {}", path.display())))
}

/// HdrHistogram's interval log, version 2, with nanoseconds in its histograms.
fn log(
    out: &mut BufWriter<File>,
    began: SystemTime,
    totals: &Totals,
    pick: impl Fn(&Interval) -> Sparse,
) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(began)
        .with_base_time(began)
        .with_max_value_divisor(MILLI)
        .begin_log_with(out, &mut serializer)?;
    let mut times = histogram::times();
    for interval in &totals.intervals {
        pick(interval).fill(&mut times);
        log.write_histogram(&times, interval.at, interval.time, None)
            .map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(())
}

/// HdrHistogram's percentile distribution, in milliseconds.
fn distribution(out: &mut impl Write, times: &Times) -> io::Result<()> {
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut count = 0;
    for step in times.iter_quantiles(TICKS) {
        count += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / MILLI;
        let part = step.quantile_iterated_to();
        write!(out, "{value:>12.6} {part:>14.12} {count:>10}")?;
        match part < 1.0 {
            true => writeln!(out, " {:>14.2}", 1.0 / (1.0 - part))?,
            false => writeln!(out)?,
        }
    }
    let ms = |nanos: f64| nanos / MILLI;
    writeln!(
        out,
        "#[Mean    = {:>12.6}, StdDeviation   = {:>12.6}]",
        ms(times.mean()),
        ms(times.stdev())
    )?;
    writeln!(
        out,
        "#[Max     = {:>12.6}, Total count    = {:>12}]",
        ms(times.max() as f64),
        times.len()
    )?;
    writeln!(
        out,
        "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
        times.buckets(),
        2048
    )
}
