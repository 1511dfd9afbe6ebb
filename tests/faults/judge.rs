//! The verdict on a changed image: damage is named and refused, or nothing is lost.

use std::fmt;

use crate::image::{Findings, Image, Served};
use crate::{Anomalies, Name};

/// What became of one change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Verdict {
    /// Nobody noticed, and every record is served as it was.
    Equal,
    /// `log verify` names it, and every record is served as it was.
    NamedEqual,
    /// `log verify` names it; what is lost is refused, everything else is served as it was.
    Refused,
    /// `log verify` names it, and the broker does not start.
    NotStarted,
    /// The broker does not start, and `log verify` finds nothing.
    NotStartedUnnamed,
    /// An anomaly.
    Wrong,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "equal",
            Self::NamedEqual => "named-equal",
            Self::Refused => "refused",
            Self::NotStarted => "not-started",
            Self::NotStartedUnnamed => "not-started-unnamed",
            Self::Wrong => "WRONG",
        })
    }
}

/// Verifies and serves the data directory as it is now. `site` says what was changed.
pub(crate) async fn judge(image: &Image, site: &str, anomalies: &mut Anomalies) -> Verdict {
    let findings = match image.verify() {
        Ok(findings) => findings,
        Err(what) => {
            anomalies.add(Name::Unavailable, || format!("{site}: {what}"));
            return Verdict::Wrong;
        }
    };
    let served = match image.serve(&findings).await {
        Ok(served) => served,
        Err(what) if what.contains("panicked") || !what.contains("corelog: ") => {
            anomalies.add(Name::Unavailable, || format!("{site}: {what}"));
            return Verdict::Wrong;
        }
        Err(_) if findings.count > 0 => return Verdict::NotStarted,
        Err(_) => return Verdict::NotStartedUnnamed,
    };
    let before = anomalies.total();
    let missing = compare(image, &findings, &served, site, anomalies);
    if anomalies.total() > before {
        Verdict::Wrong
    } else if missing > 0 {
        Verdict::Refused
    } else if findings.count > 0 {
        Verdict::NamedEqual
    } else {
        Verdict::Equal
    }
}

/// How many records are missing, as they may.
fn compare(
    image: &Image,
    findings: &Findings,
    served: &Served,
    site: &str,
    anomalies: &mut Anomalies,
) -> u64 {
    for ((partition, offset), value) in &served.records {
        match image.records.get(&(*partition, *offset)) {
            Some(expected) if expected == value => {}
            Some(expected) => anomalies.add(Name::Altered, || {
                format!("{site}: {partition}/{offset} is {value:?}, was {expected:?}")
            }),
            None => anomalies.add(Name::InconsistentOffsets, || {
                format!("{site}: {partition}/{offset} is {value:?}, was nothing")
            }),
        }
    }
    let mut missing = 0;
    for (partition, offset) in image.records.keys() {
        if served.records.contains_key(&(*partition, *offset)) {
            continue;
        }
        missing += 1;
        let named = findings.names(*partition, *offset);
        if named.is_none() && !findings.metadata {
            let refused = served
                .refused
                .range((*partition, -1)..=(*partition, *offset));
            let refused = refused.last();
            anomalies.add(Name::LostWrite, || {
                let ends = &served.ends;
                let text = &findings.text;
                format!(
                    "{site}: {partition}/{offset} is gone and not named; refused {refused:?}, \
                     ends {ends:?}, verify {text}"
                )
            });
        }
        // Named, but whoever reads on to it is told of an end, not of damage.
        if let Some(range) = named {
            let refused = (*partition, range.start)..(*partition, range.end);
            if served.refused.range(refused).next().is_none() {
                let end = served.ends.get(partition).copied();
                anomalies.add(Name::Unseen, || {
                    format!("{site}: {partition}/{offset} is named and not refused, end {end:?}")
                });
            }
        }
    }
    missing
}
