//! Rows 5 and 6: one block of one file of a stopped node is not what was written.
//!
//! Fault model: `bit-flip`: one bit of a 512-byte block is the other one. `sectors`: a 512- or
//! 4096-byte block is zero (a lost write on a fresh disk), is what it was at an earlier time (a lost
//! write), or is what another block is (a misdirected write). One block at a time; the directory
//! itself, names and lengths are as they were.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::image::{Image, RECORDS_MANY, copy};
use crate::judge::{Verdict, judge};
use crate::{Run, Style};

const SECTOR: u64 = 512;

/// A place to change.
#[derive(Clone, Debug)]
struct Site {
    path: PathBuf,
    kind: &'static str,
    block: u64,
    /// The byte of the block to change; any if none.
    byte: Option<u64>,
}

/// # Errors
/// What keeps the scenario from being run.
pub async fn bit_flip(run: &mut Run) -> Result<(), String> {
    let image = Image::make(run, RECORDS_MANY).await?;
    let sites = sites(&image, run.plan.rounds)?;
    let mut tally = Tally::default();
    run.plan.rounds = count(&sites);
    for site in sites {
        let bit = match site.byte {
            Some(byte) => byte * 8 + run.random.below(8),
            None => run.random.below(SECTOR * 8),
        };
        let data = image.restore()?;
        let bit = flip(&data.join(&site.path), site.block, bit)?;
        let what = format!("{} block {} bit {bit}", site.path.display(), site.block);
        tally.judge(run, &image, site.kind, &what).await;
    }
    tally.finish(run, &image);
    Ok(())
}

/// # Errors
/// What keeps the scenario from being run.
pub async fn sectors(run: &mut Run) -> Result<(), String> {
    let (image, earlier) = two_images(run).await?;
    let sites = sites(&image, run.plan.rounds)?;
    let mut tally = Tally::default();
    run.plan.rounds = count(&sites);
    for (number, site) in sites.iter().enumerate() {
        let bytes = if run.random.chance(500) { SECTOR } else { 4096 };
        let data = image.restore()?;
        let path = data.join(&site.path);
        let at = site.block * SECTOR / bytes * bytes;
        let (how, content) = match number % 3 {
            0 => ("zero", Some(vec![0; usize::try_from(bytes).unwrap_or(0)])),
            1 => ("stale", block(&earlier.join(&site.path), at, bytes)),
            _ => {
                let other = &sites[usize::try_from(run.random.below(count(&sites))).unwrap_or(0)];
                let from = other.block * SECTOR / bytes * bytes;
                ("misdirected", block(&data.join(&other.path), from, bytes))
            }
        };
        let Some(mut content) = content else {
            continue;
        };
        let Some(now) = block(&path, at, bytes) else {
            continue;
        };
        content.truncate(now.len());
        if content == now {
            continue;
        }
        write(&path, at, &content)?;
        let place = site.path.display();
        let what = format!("{place} bytes {at}..{} {how}", at + bytes);
        tally.judge(run, &image, site.kind, &what).await;
    }
    tally.finish(run, &image);
    Ok(())
}

/// An image, and the files of an earlier time of the same node.
async fn two_images(run: &mut Run) -> Result<(Image, PathBuf), String> {
    let image = Image::make(run, RECORDS_MANY).await?;
    let earlier = run.plan.dir.join("earlier");
    copy(&image.pristine, &earlier)?;
    image.restore()?;
    let (broker, _) = image.setup.serve().await?;
    let seed = run.random.next_u64();
    let written = image.bench.write(Style::Idempotent, 1500, seed).await;
    written.map_err(|e| format!("write more: {e}"))?;
    crate::pause(std::time::Duration::from_millis(200)).await;
    broker.kill();
    let image = Image::keep(image.setup, image.bench, image.pristine).await?;
    Ok((image, earlier))
}

#[derive(Default)]
struct Tally(BTreeMap<(&'static str, Verdict), u64>);

impl Tally {
    async fn judge(&mut self, run: &mut Run, image: &Image, kind: &'static str, what: &str) {
        let verdict = judge(image, what, &mut run.outcome.anomalies).await;
        *self.0.entry((kind, verdict)).or_default() += 1;
        if verdict == Verdict::NotStartedUnnamed && run.plan.progress {
            println!("  not started, and not named: {what}");
        }
        run.round(|| format!("{what}: {verdict}"));
    }

    fn finish(self, run: &mut Run, image: &Image) {
        for ((kind, verdict), count) in self.0 {
            run.note(kind, format!("{verdict} {count}"));
        }
        run.outcome.recoveries.clear();
        run.close(&image.bench);
    }
}

fn count(sites: &[Site]) -> u64 {
    u64::try_from(sites.len()).unwrap_or(u64::MAX)
}

fn kind(path: &Path) -> &'static str {
    let name = path.file_name().unwrap_or_default();
    let metadata = path.to_string_lossy().contains("-000000000001/");
    match path.extension().and_then(|e| e.to_str()) {
        Some("journal") => "journal",
        Some("log") if metadata => "metadata-segment",
        Some("map") if metadata => "metadata-map",
        Some("log") => "segment",
        Some("map") => "map",
        _ if name == "placement" => "placement",
        _ if name == "commit-mode" => "commit-mode",
        _ => "identity",
    }
}

/// All blocks of all files; if there are more than `most`, as many of each kind, evenly spread.
fn sites(image: &Image, most: u64) -> Result<Vec<Site>, String> {
    let mut kinds: BTreeMap<&'static str, Vec<Site>> = BTreeMap::new();
    for (path, bytes) in image.files()? {
        let kind = kind(&path);
        let found = kinds.entry(kind).or_default();
        let site = |block, byte| Site {
            path: path.clone(),
            kind,
            block,
            byte,
        };
        // A text of a few bytes has no checksum: each byte is tried.
        match bytes < SECTOR {
            true => found.extend((0..bytes).map(|byte| site(0, Some(byte)))),
            false => found.extend((0..bytes.div_ceil(SECTOR)).map(|block| site(block, None))),
        }
    }
    let mut left = usize::try_from(most).unwrap_or(usize::MAX);
    let mut groups: Vec<Vec<Site>> = kinds.into_values().collect();
    // Small kinds first: what they do not use is for the large ones.
    groups.sort_by_key(Vec::len);
    let mut chosen = Vec::new();
    let all = groups.len();
    for (done, group) in groups.into_iter().enumerate() {
        let take = (left / (all - done)).min(group.len());
        left -= take;
        chosen.extend((0..take).map(|at| group[at * group.len() / take].clone()));
    }
    Ok(chosen)
}

/// Flips a bit of a block, or of what there is of it; gives which.
fn flip(path: &Path, block_number: u64, bit: u64) -> Result<u64, String> {
    let at = block_number * SECTOR;
    let bytes = block(path, at, SECTOR).ok_or_else(|| format!("{}: no block", path.display()))?;
    let bit = bit % (u64::try_from(bytes.len()).unwrap_or(1) * 8);
    let byte = bytes[usize::try_from(bit / 8).unwrap_or(0)] ^ 1 << (bit % 8);
    write(path, at + bit / 8, &[byte])?;
    Ok(bit)
}

/// What a file has at a place; none if it does not reach there.
fn block(path: &Path, at: u64, bytes: u64) -> Option<Vec<u8>> {
    let file = std::fs::File::open(path).ok()?;
    let mut content = vec![0; usize::try_from(bytes).ok()?];
    let read = file.read_at(&mut content, at).ok()?;
    content.truncate(read);
    (read > 0).then_some(content)
}

fn write(path: &Path, at: u64, content: &[u8]) -> Result<(), String> {
    let file = OpenOptions::new().write(true).open(path);
    let written = file.and_then(|file| file.write_all_at(content, at));
    written.map_err(|e| format!("change {}: {e}", path.display()))
}
