//! `bench sweep`: rate after rate, up to what the broker can take. One point says little; the curve
//! of latency over load says where a broker bends.

use serde::Serialize;

use crate::svg::{Axis, Chart, Point, Scale, Series, escape};
use crate::{Error, Outcome, Rate, Settings, Stop, Summary, files, report, run};

/// Runs at rates that double end here.
const RATE_MAX: f64 = 1e9;
/// Runs between the highest rate that was reached and the lowest that was not.
const REFINEMENTS: usize = 3;
/// A rate counts as not reached after so many runs that are not valid: one may be bad luck.
const TRIES: usize = 2;

/// Which rates, in records a second.
#[derive(Clone, PartialEq, Debug)]
pub enum Rates {
    Listed(Vec<f64>),
    /// Doubled from here on until one is not reached; then the space between is halved.
    From(f64),
}

/// sweep.json.
#[derive(Debug, Serialize)]
pub struct Sweep {
    pub command: Vec<String>,
    /// In the order of their rates.
    pub points: Vec<SweepPoint>,
    /// Records a second.
    pub highest_valid_rate_per_s: Option<f64>,
    /// A rate was tried that was not reached.
    pub saturated: bool,
}

/// One run of the sweep, whose folder it names.
#[derive(Debug, Serialize)]
pub struct SweepPoint {
    pub folder: String,
    pub requested_rate_per_s: f64,
    pub rate_per_s: f64,
    pub valid: bool,
    pub reasons: Vec<String>,
    pub publish_latency_us: Option<Summary>,
    pub end_to_end_latency_us: Option<Summary>,
}

impl SweepPoint {
    fn of(folder: String, requested: f64, outcome: Outcome) -> Self {
        Self {
            folder,
            requested_rate_per_s: requested,
            rate_per_s: outcome.rate_per_s,
            valid: outcome.valid,
            reasons: outcome.reasons,
            publish_latency_us: outcome.publish_latency_us,
            end_to_end_latency_us: outcome.end_to_end_latency_us,
        }
    }
}

/// Runs at each rate. A run leaves its folder in the folder of the sweep.
///
/// # Errors
/// `Usage` for a mode that writes nothing or a rate that is none; those of [`run`].
pub fn sweep(
    settings: &Settings,
    rates: &Rates,
    command: &[String],
    stop: &Stop,
    say: &mut dyn FnMut(&str),
) -> Result<Sweep, Error> {
    check(settings, rates)?;
    files::make(&settings.out)?;
    let mut points = Vec::new();
    let mut try_rate = |rate: f64| -> Result<bool, Error> {
        for turn in 1..=TRIES {
            let folder = match turn {
                1 => format!("rate-{rate:.0}"),
                turn => format!("rate-{rate:.0}-{turn}"),
            };
            say(&format!("{folder}:"));
            let mut settings = settings.clone();
            settings.load.rate = Rate::PerSecond(rate);
            settings.out = settings.out.join(&folder);
            let outcome = run(&settings, command, stop, say)?;
            let valid = outcome.valid;
            points.push(SweepPoint::of(folder, rate, outcome));
            if valid || stop.is_requested() {
                return Ok(valid);
            }
        }
        Ok(false)
    };
    let saturated = match rates {
        Rates::Listed(rates) => listed(rates, stop, &mut try_rate)?,
        Rates::From(rate) => saturate(*rate, stop, &mut try_rate)?,
    };
    points.sort_by(|a, b| a.requested_rate_per_s.total_cmp(&b.requested_rate_per_s));
    let valid = points.iter().filter(|point| point.valid);
    let highest = valid
        .map(|point| point.requested_rate_per_s)
        .reduce(f64::max);
    let sweep = Sweep {
        command: command.to_vec(),
        highest_valid_rate_per_s: highest,
        saturated,
        points,
    };
    files::write_text(&settings.out, "sweep.json", &files::json(&sweep)?)?;
    files::write_text(&settings.out, "report.html", &page(settings, &sweep))?;
    Ok(sweep)
}

fn check(settings: &Settings, rates: &Rates) -> Result<(), Error> {
    if !settings.mode.produces() {
        return Err(Error::usage("a sweep needs a mode that writes"));
    }
    let rates = match rates {
        Rates::Listed(rates) => rates.as_slice(),
        Rates::From(rate) => std::slice::from_ref(rate),
    };
    let sound = rates.iter().all(|rate| *rate > 0.0 && *rate <= RATE_MAX);
    if rates.is_empty() || !sound {
        let why = format!("a sweep needs rates above 0 and at most {RATE_MAX}");
        return Err(Error::usage(why));
    }
    Ok(())
}

/// Whether a rate was not reached.
fn listed(
    rates: &[f64],
    stop: &Stop,
    try_rate: &mut dyn FnMut(f64) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let mut saturated = false;
    for rate in rates {
        saturated |= !try_rate(*rate)?;
        if stop.is_requested() {
            break;
        }
    }
    Ok(saturated)
}

/// Whether a rate was not reached.
fn saturate(
    from: f64,
    stop: &Stop,
    try_rate: &mut dyn FnMut(f64) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let mut reached = None;
    let mut rate = from;
    while try_rate(rate)? {
        reached = Some(rate);
        rate *= 2.0;
        if rate > RATE_MAX {
            return Ok(false);
        }
    }
    let Some(mut reached) = reached else {
        return Ok(true);
    };
    let mut missed = rate;
    for _ in 0..REFINEMENTS {
        if stop.is_requested() {
            break;
        }
        let middle = ((reached + missed) / 2.0).round();
        match try_rate(middle)? {
            true => reached = middle,
            false => missed = middle,
        }
    }
    Ok(true)
}

fn page(settings: &Settings, sweep: &Sweep) -> String {
    let highest = match sweep.highest_valid_rate_per_s {
        Some(rate) => format!("{rate:.0} records/s is the highest rate that was reached"),
        None => "no rate was reached".to_owned(),
    };
    let limit = match sweep.saturated {
        true => "a higher one was not",
        false => "no higher one was tried",
    };
    let mut body = format!("<p>{highest}; {limit}.</p>\n");
    body += &chart(sweep).svg();
    body += "<p>Hollow and dashed where a run is not valid.</p>\n<table><tr><th>records/s</th>\
        <th>reached</th><th>p50 &micro;s</th><th>p99 &micro;s</th><th>p99.9 &micro;s</th>\
        <th>max &micro;s</th><th>valid</th></tr>\n";
    for point in &sweep.points {
        let summary = point.publish_latency_us;
        let cell = |value: Option<f64>| value.map_or("&ndash;".to_owned(), |v| format!("{v:.0}"));
        body += &format!(
            "<tr><td>{:.0}</td><td>{:.0}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td></tr>\n",
            point.requested_rate_per_s,
            point.rate_per_s,
            cell(summary.and_then(|s| s.p50)),
            cell(summary.and_then(|s| s.p99)),
            cell(summary.and_then(|s| s.p99_9)),
            cell(summary.map(|s| s.max)),
            match point.valid {
                true => "yes".to_owned(),
                false => escape(&point.reasons.join("; ")),
            }
        );
    }
    body += &format!(
        "</table>\n<pre>{}</pre>\n",
        escape(&sweep.command.join(" "))
    );
    report::page(&format!("{} by load", settings.target.topic), &body)
}

fn chart(sweep: &Sweep) -> Chart {
    type Pick = fn(&SweepPoint) -> Option<f64>;
    let picks: [(&str, Pick); 5] = [
        ("publish p50", |point| point.publish_latency_us?.p50),
        ("publish p99", |point| point.publish_latency_us?.p99),
        ("publish p99.9", |point| point.publish_latency_us?.p99_9),
        ("publish max", |point| Some(point.publish_latency_us?.max)),
        ("end to end p99", |point| point.end_to_end_latency_us?.p99),
    ];
    let series = picks.map(|(name, pick)| {
        let points = sweep.points.iter().filter_map(|point| {
            Some(Point {
                x: point.requested_rate_per_s,
                y: pick(point)? / 1e3,
                weak: !point.valid,
            })
        });
        Series {
            name: name.to_owned(),
            points: points.collect(),
            joined: true,
        }
    });
    Chart {
        title: "Latency by load".to_owned(),
        x: Axis {
            title: "records a second".to_owned(),
            scale: Scale::Linear,
        },
        y: Axis {
            title: "ms".to_owned(),
            scale: Scale::Log,
        },
        series: series
            .into_iter()
            .filter(|s| !s.points.is_empty())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates that are tried of a broker that takes up to `limit`.
    fn check(from: f64, limit: f64, expected: &[f64]) {
        let mut tried = Vec::new();
        let mut try_rate = |rate: f64| {
            tried.push(rate);
            Ok(rate <= limit)
        };
        let saturated = saturate(from, &Stop::default(), &mut try_rate).unwrap();
        assert!(saturated);
        assert_eq!(tried, expected);
    }

    #[test]
    fn rates_close_in_on_what_the_broker_takes() {
        check(
            1000.0,
            5100.0,
            &[1000.0, 2000.0, 4000.0, 8000.0, 6000.0, 5000.0, 5500.0],
        );
        check(1000.0, 10.0, &[1000.0]);
        let stop = Stop::default();
        stop.request();
        let mut count = 0;
        let mut try_rate = |_| {
            count += 1;
            Ok(count < 3)
        };
        assert!(saturate(1.0, &stop, &mut try_rate).unwrap());
        assert_eq!(count, 3);
    }
}
