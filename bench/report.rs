//! report.html: one file, nothing from outside.

use serde_json::Value;

use crate::histogram::Times;
use crate::summary::is_told;
use crate::svg::{Axis, Chart, Point, Scale, Series, escape};
use crate::tally::SLOT;
use crate::totals::Totals;
use crate::{Outcome, Summary};

/// Steps of a curve to each halving of what is above.
const TICKS: u32 = 8;
/// Points of a timeline; a longer one is drawn from the slowest of each of so many parts.
const TIMELINE_POINTS_MAX: usize = 2_000;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;\
    padding:0 1em;color:#222}svg{width:100%;height:auto;font:11px system-ui,sans-serif}\
    .grid{stroke:#ddd;fill:none}.line{fill:none;stroke-width:1.6}.x{text-anchor:middle}\
    .y{text-anchor:end}.title{font-weight:600;font-size:13px}table{border-collapse:collapse;margin:1em 0 2em}\
    td,th{padding:.15em .8em;text-align:right;border-bottom:1px solid #ddd}\
    td:first-child,th:first-child{text-align:left}pre{background:#f5f5f5;padding:.8em;\
    white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px}.bad{color:#b00020;font-weight:600}";

/// A page with this body.
pub(crate) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n{body}</body></html>\n"
    )
}

/// The report of one run.
pub(crate) fn of_run(outcome: &Outcome, totals: &Totals, environment: &Value) -> String {
    let mut body = verdict(outcome);
    body += &summaries(outcome);
    let curves = curves(&[
        ("publish", &totals.published.publish),
        ("end to end", &totals.consumed.end_to_end),
        ("service time", &totals.published.service),
        ("send lag", &totals.published.lag),
    ]);
    body += &curves.svg();
    body += "<p>Dashed where fewer than 100 samples lie above.</p>\n";
    if !totals.slots.is_empty() {
        body += &timeline(totals).svg();
        let stalls = outcome.stalls;
        body += &format!(
            "<p>The slowest request of those that were meant to start in each {} ms. Above {} ms: \
             {} times, {:.1} s in all, {:.1} s at the longest.</p>\n",
            SLOT.as_millis(),
            stalls.limit_ms,
            stalls.count,
            stalls.total_ms / 1e3,
            stalls.longest_ms / 1e3
        );
    }
    body += &details(outcome, environment);
    let target = &outcome.settings.target;
    let (topic, protocol) = (&target.topic, target.driver.protocol());
    let rate = outcome.settings.load.rate;
    page(&format!("{topic} at {rate}/s, {protocol}"), &body)
}

fn verdict(outcome: &Outcome) -> String {
    let mut text = match outcome.valid {
        true => "<p>Valid.</p>\n".to_owned(),
        false => format!(
            "<p class=\"bad\">Not valid: {}.</p>\n",
            escape(&outcome.reasons.join("; "))
        ),
    };
    text += &format!(
        "<p>{:.0} records/s, {:.1} MB/s; read {:.0} records/s, {:.1} MB/s.</p>\n",
        outcome.rate_per_s,
        outcome.bytes_per_s / 1e6,
        outcome.counted.read_records_per_s,
        outcome.counted.read_bytes_per_s / 1e6
    );
    for note in &outcome.notes {
        text += &format!("<p>Note: {}.</p>\n", escape(note));
    }
    text
}

fn summaries(outcome: &Outcome) -> String {
    let rows = [
        ("publish", outcome.publish_latency_us),
        ("end to end", outcome.end_to_end_latency_us),
        ("service time", outcome.service_time_us),
        ("send lag", outcome.send_lag_us),
        ("fetch", outcome.fetch_time_us),
    ];
    let mut text = "<table><tr><th>&micro;s</th><th>p50</th><th>p90</th><th>p99</th>\
        <th>p99.9</th><th>p99.99</th><th>max</th><th>samples</th></tr>\n"
        .to_owned();
    for (name, summary) in rows {
        if let Some(summary) = summary {
            text += &row(name, &summary);
        }
    }
    text + "</table>\n"
}

fn row(name: &str, summary: &Summary) -> String {
    let cell = |value: Option<f64>| match value {
        Some(value) => format!("<td>{value:.1}</td>"),
        None => "<td>&ndash;</td>".to_owned(),
    };
    let cells: String = summary.percentiles().map(cell).concat();
    format!(
        "<tr><td>{name}</td>{cells}{}<td>{}</td></tr>\n",
        cell(Some(summary.max)),
        summary.samples
    )
}

/// Latency by percentile, of histograms that are not empty.
pub(crate) fn curves(all: &[(&str, &Times)]) -> Chart {
    let filled = all.iter().filter(|(_, times)| !times.is_empty());
    let series = filled.map(|(name, times)| Series {
        name: (*name).to_owned(),
        points: curve(times),
        joined: true,
    });
    Chart {
        title: "Latency by percentile".to_owned(),
        x: Axis {
            title: "percentile".to_owned(),
            scale: Scale::Percentile,
        },
        y: Axis {
            title: "ms".to_owned(),
            scale: Scale::Log,
        },
        series: series.collect(),
    }
}

fn curve(times: &Times) -> Vec<Point> {
    let samples = times.len();
    let last = 1.0 - 1.0 / samples as f64;
    let steps = times.iter_quantiles(TICKS);
    let each = steps.map(|step| {
        let part = step.quantile_iterated_to().min(last);
        Point {
            x: part,
            y: (step.value_iterated_to() as f64 / 1e6).max(1e-3),
            weak: !is_told(samples, part),
        }
    });
    each.collect()
}

fn timeline(totals: &Totals) -> Chart {
    let slots: Vec<(u64, f64)> = totals
        .slots
        .iter()
        .map(|(number, slot)| (*number, slot.slowest.as_secs_f64() * 1e3))
        .collect();
    let part = slots.len().div_ceil(TIMELINE_POINTS_MAX).max(1);
    let points = slots.chunks(part).filter_map(|part| {
        let slowest = part.iter().map(|(_, ms)| *ms).fold(0.0, f64::max);
        Some(Point {
            x: part.first()?.0 as f64 * SLOT.as_secs_f64(),
            y: slowest.max(1e-3),
            weak: false,
        })
    });
    Chart {
        title: "Stalls: the slowest request over time".to_owned(),
        x: Axis {
            title: "seconds since the measured window began".to_owned(),
            scale: Scale::Linear,
        },
        y: Axis {
            title: "ms".to_owned(),
            scale: Scale::Log,
        },
        series: vec![Series {
            name: "publish".to_owned(),
            points: points.collect(),
            joined: true,
        }],
    }
}

fn details(outcome: &Outcome, environment: &Value) -> String {
    let generator = &outcome.generator;
    let mut text = format!(
        "<h2>Generator</h2>\n<p>Reading the clock {} ns, counting a time {} ns, preparing a request \
         {} ns; {} &micro;s of CPU for each request. A request is late from {} &micro;s on.</p>\n",
        generator.overhead.clock_ns,
        generator.overhead.record_ns,
        generator.overhead.prepare_ns,
        generator.cpu_us_per_request,
        generator.late_after_us
    );
    let durability = match outcome.durability.is_empty() {
        true => "It does not say.".to_owned(),
        false => pretty(&outcome.durability),
    };
    let parts = [
        ("Command", outcome.command.join(" ")),
        ("Durability, as the cluster says", durability),
        ("Settings", pretty(&outcome.settings)),
        ("Host", pretty(environment)),
    ];
    for (title, content) in parts {
        text += &format!("<h2>{title}</h2>\n<pre>{}</pre>\n", escape(&content));
    }
    text
}

fn pretty(value: &impl serde::Serialize) -> String {
    // Our own types are always JSON.
    serde_json::to_string_pretty(value).unwrap_or_default()
}
