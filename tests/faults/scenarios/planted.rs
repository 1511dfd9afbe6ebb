//! The harness itself: bugs that were put into a build on purpose must be found.
//!
//! `BINARY` is a build with `--features corelog-log/planted`; the environment of its processes wakes
//! one bug at a time.

use crate::{Name, Run};

/// One bug, and the scenario that must see it.
struct Case {
    bug: &'static str,
    scenario: &'static str,
    rounds: u64,
    /// One of these must be found.
    seen: &'static [Name],
}

const CASES: [Case; 2] = [
    Case {
        bug: "AcknowledgesEarly",
        scenario: "power",
        rounds: 10,
        seen: &[Name::LostWrite, Name::Unseen, Name::InconsistentOffsets],
    },
    Case {
        bug: "IgnoresChecksums",
        scenario: "bit-flip",
        rounds: 60,
        seen: &[Name::Altered],
    },
];

/// # Errors
/// What keeps the scenario from being run.
pub async fn planted(run: &mut Run) -> Result<(), String> {
    run.plan.rounds = u64::try_from(CASES.len()).unwrap_or(u64::MAX);
    for case in CASES {
        let mut plan = run.plan.clone();
        plan.dir = plan.dir.join(case.bug);
        plan.rounds = case.rounds;
        plan.progress = false;
        plan.environment = vec![("PLANTED_BUG".to_owned(), case.bug.to_owned())];
        let mut inner = Run::new(case.scenario, plan)?;
        match case.scenario {
            "power" => super::power(&mut inner).await?,
            _ => super::bit_flip(&mut inner).await?,
        }
        if let Some(why) = inner.outcome.skipped {
            println!("{}: skipped: {why}", case.bug);
            run.round(String::new);
            continue;
        }
        let found = &inner.outcome.anomalies;
        let count: u64 = case.seen.iter().map(|name| found.count(*name)).sum();
        if count == 0 {
            let (bug, scenario) = (case.bug, case.scenario);
            run.fail(format!("{scenario} does not see {bug}: {}", inner.outcome));
        }
        run.note(
            case.bug,
            format!("found after {} rounds", inner.outcome.rounds),
        );
        run.round(|| format!("{}: {count} findings", case.bug));
    }
    Ok(())
}
