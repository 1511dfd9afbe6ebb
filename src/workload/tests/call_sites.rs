//! Every line that asks the disk for something sees it fail once: nothing acknowledged is lost.

use std::collections::BTreeMap;

use corelog_sim::Site;
use corelog_workload::{log, seeds};

/// Seeds whose operations are looked at.
const SEEDS: u64 = 48;
/// Times that each line fails, in different seeds and places.
const TIMES: usize = 3;

/// Where the product's own code asks; what the simulator does for itself is not of interest.
fn is_of_the_log(site: &Site) -> bool {
    site.file.contains("src/log/")
}

#[test]
fn each_operation_may_fail_once() {
    let (found, _) = seeds("log", 0..SEEDS, 1, log::sites);
    let mut all: BTreeMap<Site, Vec<(u64, u64)>> = BTreeMap::new();
    for (seed, sites) in found {
        for (site, count) in sites.into_iter().filter(|(s, _)| is_of_the_log(s)) {
            all.entry(site).or_default().push((seed, count));
        }
    }
    let writes = ["write", "commit", "flush", "flush folder"];
    let count = |of: &dyn Fn(&Site) -> bool| all.keys().filter(|s| of(s)).count();
    let written = count(&|s| writes.contains(&s.operation));
    let read = count(&|s| s.operation == "read");
    println!(
        "{} lines, {written} that write or flush, {read} that read",
        all.len()
    );
    assert!(written >= 20 && read >= 4, "{:#?}", all.keys());
    // Where in a run an operation fails: early, in the middle, late.
    let cases: Vec<(Site, u64, u64)> = all
        .iter()
        .flat_map(|(site, runs)| {
            (0..TIMES).filter_map(|time| {
                let (seed, count) = runs.get(time % runs.len())?;
                let at = 1 + (count - 1) * time as u64 / (TIMES as u64 - 1);
                Some((*site, *seed, at))
            })
        })
        .collect();
    let (reports, failures) = seeds("log", 0..cases.len() as u64, 3, |case| {
        let (site, seed, at) = cases[case as usize];
        let setting = log::Setting {
            breaks: Some((site, at)),
            ..log::Setting::default()
        };
        let report = log::run(seed, &setting);
        (site, report.has_broken)
    });
    let lines: Vec<String> = failures
        .iter()
        .map(|f| format!("{:?}: {}", cases[f.seed as usize], f.message))
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    for site in all.keys() {
        let broke = reports.iter().any(|(_, (of, broke))| of == site && *broke);
        assert!(broke, "{site:?} never failed");
    }
}
