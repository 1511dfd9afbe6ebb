//! `bench compare A B`: is B different, and by how much, with an interval.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::bootstrap::{self, Compared, Dense, Estimate};
use crate::folder::Folder;
use crate::histogram::{Sparse, Times, add, times};
use crate::summary::{PARTS, is_told};
use crate::svg::escape;
use crate::{Error, files, report};

/// So many runs on each side are resampled as runs; fewer by their seconds.
const RUNS_MIN: usize = 5;
/// So many seconds on each side, at least.
const INTERVALS_MIN: usize = 5;
/// Settings that may differ between what is compared.
const FREE: [&str; 3] = ["/out", "/target/bootstrap", "/target/topic"];

/// compare.json.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub verdict: String,
    /// False if a run is not valid: then the verdict says nothing of A and B.
    pub valid: bool,
    pub runs_a: usize,
    pub runs_b: usize,
    pub method: String,
    /// What makes the comparison weaker.
    pub warnings: Vec<String>,
    pub lines: Vec<Compare>,
}

/// One figure of both.
#[derive(Clone, Debug, Serialize)]
pub struct Compare {
    pub what: String,
    pub unit: &'static str,
    pub a: Estimate,
    pub b: Estimate,
    /// B divided by A.
    pub ratio: Estimate,
    pub verdict: String,
}

/// Two sides, each the folder of a run or a folder of such folders.
///
/// # Errors
/// `Usage` for folders without runs, or too short ones; `Io`.
pub fn compare(a: &Path, b: &Path, out: Option<&Path>) -> Result<Comparison, Error> {
    let (runs_a, runs_b) = (Folder::all(a)?, Folder::all(b)?);
    let by_runs = runs_a.len() >= RUNS_MIN && runs_b.len() >= RUNS_MIN;
    let lines = match by_runs {
        true => by_run(&runs_a, &runs_b),
        false => by_interval(&runs_a, &runs_b)?,
    };
    let reasons = |side: &str, runs: &[Folder]| -> Vec<String> {
        let all = runs.iter().flat_map(Folder::reasons);
        all.map(|why| format!("a run of {side} is not valid: {why}"))
            .collect()
    };
    let wrong = [reasons("A", &runs_a), reasons("B", &runs_b)].concat();
    let mut warnings = wrong.clone();
    warnings.extend(differences(&runs_a, &runs_b));
    if by_runs && !is_interleaved(&runs_a, &runs_b) {
        warnings.push("the runs did not take turns: the host may have changed between".to_owned());
    }
    if !by_runs {
        warnings.push(format!(
            "fewer than {RUNS_MIN} runs on a side: the intervals hold what varies within a run only"
        ));
    }
    let comparison = Comparison {
        verdict: verdict(&lines, wrong.first()),
        valid: wrong.is_empty(),
        runs_a: runs_a.len(),
        runs_b: runs_b.len(),
        method: match by_runs {
            true => "bootstrap over runs, 95 %".to_owned(),
            false => "bootstrap over seconds, 95 %".to_owned(),
        },
        warnings,
        lines,
    };
    if let Some(out) = out {
        files::make(out)?;
        files::write_text(out, "compare.json", &files::json(&comparison)?)?;
        let page = page(&comparison, &runs_a, &runs_b);
        files::write_text(out, "report.html", &page)?;
    }
    Ok(comparison)
}

fn line(what: String, unit: &'static str, more_is_better: bool, compared: Compared) -> Compare {
    let Compared { a, b, ratio } = compared;
    let change = |ratio: f64| (ratio - 1.0) * 100.0;
    let (more, less) = match more_is_better {
        true => ("better", "worse"),
        false => ("worse", "better"),
    };
    let told = match (ratio.low > 1.0, ratio.high < 1.0) {
        (true, _) => format!("B is {more}"),
        (_, true) => format!("B is {less}"),
        _ => "no difference shown".to_owned(),
    };
    Compare {
        verdict: format!(
            "{told}: {:+.1} % [{:+.1}, {:+.1}]",
            change(ratio.value),
            change(ratio.low),
            change(ratio.high)
        ),
        what,
        unit,
        a,
        b,
        ratio,
    }
}

fn by_run(a: &[Folder], b: &[Folder]) -> Vec<Compare> {
    let figures = |runs: &[Folder], pointer: &str| -> Option<Vec<f64>> {
        let each = runs.iter().map(|run| run.result.pointer(pointer)?.as_f64());
        each.collect()
    };
    let both = |pointer: &str| Some((figures(a, pointer)?, figures(b, pointer)?));
    let mut lines = Vec::new();
    if let Some((a, b)) = both("/rate_per_s") {
        lines.push(line(
            "rate".to_owned(),
            "1/s",
            true,
            bootstrap::runs(&a, &b),
        ));
    }
    for (key, name) in [("publish", "publish"), ("end_to_end", "end to end")] {
        for (part, _) in PARTS {
            if let Some((a, b)) = both(&format!("/{key}_latency_us/{part}")) {
                let compared = bootstrap::runs(&a, &b);
                lines.push(line(format!("{name} {part}"), "us", false, compared));
            }
        }
    }
    lines
}

fn by_interval(a: &[Folder], b: &[Folder]) -> Result<Vec<Compare>, Error> {
    let all = |runs: &[Folder], pick: fn(&Folder) -> &[Sparse]| {
        let intervals: Vec<Sparse> = runs.iter().flat_map(|run| pick(run).to_vec()).collect();
        Dense::new(&intervals)
    };
    type Pick = fn(&Folder) -> &[Sparse];
    let picks: [(&str, Pick); 2] = [
        ("publish", |run| &run.publish),
        ("end to end", |run| &run.end_to_end),
    ];
    let mut lines = Vec::new();
    for (name, pick) in picks {
        let (a, b) = (all(a, pick), all(b, pick));
        if a.len() < INTERVALS_MIN || b.len() < INTERVALS_MIN {
            continue;
        }
        let samples = a.samples().min(b.samples());
        let told = PARTS.iter().filter(|(_, part)| is_told(samples, *part));
        let parts: Vec<f64> = told.clone().map(|(_, part)| *part).collect();
        let compared = bootstrap::intervals(&a, &b, &parts);
        for ((part, _), compared) in told.zip(compared) {
            let micros = Compared {
                a: micros(compared.a),
                b: micros(compared.b),
                ratio: compared.ratio,
            };
            lines.push(line(format!("{name} {part}"), "us", false, micros));
        }
    }
    if lines.is_empty() {
        let why = format!("both sides need {INTERVALS_MIN} seconds and 200 samples or more");
        return Err(Error::usage(why));
    }
    Ok(lines)
}

fn micros(nanos: Estimate) -> Estimate {
    Estimate {
        value: nanos.value / 1e3,
        low: nanos.low / 1e3,
        high: nanos.high / 1e3,
    }
}

/// On the highest told percentile of publishing up to p99, or else on the first figure.
fn verdict(lines: &[Compare], wrong: Option<&String>) -> String {
    if let Some(why) = wrong {
        return format!("no verdict: {why}");
    }
    let publish = lines.iter().rev();
    let mut publish = publish.filter(|line| {
        let parts = ["publish p99", "publish p90", "publish p50"];
        parts.contains(&line.what.as_str())
    });
    match publish.next().or(lines.first()) {
        Some(line) => format!("{}: {}", line.what, line.verdict),
        None => "no verdict: the runs have no figure in common".to_owned(),
    }
}

/// Settings and durability that are not the same on both sides.
fn differences(a: &[Folder], b: &[Folder]) -> Vec<String> {
    let (Some(a), Some(b)) = (a.first(), b.first()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for part in ["settings", "durability"] {
        walk("", &a.result[part], &b.result[part], &mut found);
    }
    found
}

fn walk(place: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    match (a, b) {
        _ if a == b || FREE.contains(&place) => {}
        (Value::Object(of_a), Value::Object(of_b)) => {
            let mut keys: Vec<&String> = of_a.keys().chain(of_b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                walk(&format!("{place}/{key}"), &a[key], &b[key], found);
            }
        }
        _ => found.push(format!(
            "{} differs: A {a}, B {b}",
            place.trim_start_matches('/')
        )),
    }
}

/// Whether they took turns.
fn is_interleaved(a: &[Folder], b: &[Folder]) -> bool {
    let of_a = a.iter().map(|run| (run.started_ms(), 'a'));
    let of_b = b.iter().map(|run| (run.started_ms(), 'b'));
    let mut all: Vec<_> = of_a.chain(of_b).collect();
    all.sort_unstable();
    // The last runs of a side that has more of them follow each other.
    let shared = 2 * a.len().min(b.len());
    all.windows(2)
        .take(shared.saturating_sub(1))
        .all(|pair| matches!(pair, [x, y] if x.1 != y.1))
}

fn page(comparison: &Comparison, a: &[Folder], b: &[Folder]) -> String {
    let mut body = format!("<p>{}</p>\n", escape(&comparison.verdict));
    for warning in &comparison.warnings {
        body += &format!("<p class=\"bad\">{}</p>\n", escape(warning));
    }
    body += &format!(
        "<p>{}; {} runs of A, {} of B.</p>\n<table><tr><th></th><th>A</th><th>B</th>\
         <th>verdict</th></tr>\n",
        comparison.method, comparison.runs_a, comparison.runs_b
    );
    let cell = |estimate: &Estimate| {
        let Estimate { value, low, high } = estimate;
        format!("<td>{value:.1} [{low:.1}, {high:.1}]</td>")
    };
    for line in &comparison.lines {
        body += &format!(
            "<tr><td>{} ({})</td>{}{}<td>{}</td></tr>\n",
            escape(&line.what),
            line.unit,
            cell(&line.a),
            cell(&line.b),
            escape(&line.verdict)
        );
    }
    body += "</table>\n";
    let merged =
        |runs: &[Folder], pick: fn(&Folder) -> &[Sparse]| merge(runs.iter().flat_map(pick));
    let publish: fn(&Folder) -> &[Sparse] = |run| &run.publish;
    let end_to_end: fn(&Folder) -> &[Sparse] = |run| &run.end_to_end;
    let curves = report::curves(&[
        ("publish A", &merged(a, publish)),
        ("publish B", &merged(b, publish)),
        ("end to end A", &merged(a, end_to_end)),
        ("end to end B", &merged(b, end_to_end)),
    ]);
    body += &curves.svg();
    report::page("A against B", &body)
}

fn merge<'a>(all: impl Iterator<Item = &'a Sparse>) -> Times {
    let (mut sum, mut one) = (times(), times());
    for sparse in all {
        sparse.fill(&mut one);
        add(&mut sum, &one);
    }
    sum
}
