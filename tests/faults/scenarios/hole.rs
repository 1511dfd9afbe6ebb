//! Row 5 in the large: a whole frame in the middle of a journal is gone, or a part of it.
//!
//! Fault model: of one frame that was flushed and acknowledged, and that later frames follow, the
//! header, the entries, the directory or everything is garbage; or of every frame with metadata
//! nothing is left but the directory.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::frames::{Frame, frames};
use crate::image::{Image, RECORDS_FEW};
use crate::judge::{Verdict, judge};
use crate::{Name, Run};

const HEADER_BYTES: usize = 128;

/// # Errors
/// What keeps the scenario from being run.
pub async fn hole(run: &mut Run) -> Result<(), String> {
    let image = Image::make(run, RECORDS_FEW).await?;
    let mut sites: Vec<Frame> = frames(&image.pristine)?;
    sites.retain(|frame| frame.records > 0);
    // Nothing after the last one says that it was flushed.
    sites.pop();
    let mut metadata = frames(&image.pristine)?;
    metadata.retain(|frame| frame.has_metadata);
    let mut verdicts: BTreeMap<(&'static str, Verdict), u64> = BTreeMap::new();
    while run.outcome.rounds < run.plan.rounds {
        let round = run.outcome.rounds;
        let pick = run.random.below(u64::try_from(sites.len()).unwrap_or(1));
        let frame = &sites[usize::try_from(pick).unwrap_or(0)];
        let rows = frame.directory..frame.content_bytes;
        let (part, range) = match round % 5 {
            0 => ("entries", HEADER_BYTES..frame.directory),
            1 => ("header", 0..HEADER_BYTES),
            2 => ("directory", rows),
            3 => ("everything", 0..frame.bytes),
            _ => ("metadata", 0..0),
        };
        let data = image.restore()?.to_owned();
        if part == "metadata" {
            for frame in &metadata {
                spoil(run, &data, frame, 0..frame.directory)?;
            }
        } else {
            spoil(run, &data, frame, range)?;
        }
        let what = format!("{part} of frame {} of {}", frame.sequence, sites.len() + 1);
        let verdict = judge(&image, &what, &mut run.outcome.anomalies).await;
        if part == "metadata" && verdict != Verdict::NotStarted {
            let what = format!("served without its metadata: {verdict}");
            run.outcome.anomalies.add(Name::LostWrite, || what);
        }
        *verdicts.entry((part, verdict)).or_default() += 1;
        run.round(|| format!("{what}: {verdict}"));
    }
    if !verdicts
        .keys()
        .any(|(_, verdict)| *verdict == Verdict::Refused)
    {
        let what = "no hole was refused and read around";
        run.outcome
            .anomalies
            .add(Name::Unavailable, || what.to_owned());
    }
    for ((part, verdict), count) in verdicts {
        run.note(part, format!("{verdict} {count}"));
    }
    run.close(&image.bench);
    Ok(())
}

/// Garbage over a range of a frame.
fn spoil(run: &mut Run, data: &Path, frame: &Frame, range: Range<usize>) -> Result<(), String> {
    let mut garbage = vec![0; range.len()];
    run.random.fill(&mut garbage);
    let path = data.join(&frame.path);
    let at = u64::try_from(frame.position + range.start).unwrap_or(u64::MAX);
    let file = OpenOptions::new().write(true).open(&path);
    let written = file.and_then(|file| file.write_all_at(&garbage, at));
    written.map_err(|e| format!("change {}: {e}", path.display()))
}
