//! Compacted segments as a start finds them, and what a compaction that was cut short has left.
//!
//! A map says which file is its segment's, by its generation; only those of segments with a
//! compacted file are read here. See *Compaction* in the formats.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use corelog_base::Offset;
use corelog_rt::{DirEntry, Runtime};

use crate::Error;
use crate::group::{SegmentMeta, map_path, segment_path};
use crate::scan_segments::{numbers, read_map};

/// What a folder holds of compacted segments.
pub(crate) struct Compacted {
    /// Ascending.
    pub list: Vec<SegmentMeta>,
    /// Files that were replaced, or that were to replace others: they do not count.
    pub gone: Vec<PathBuf>,
    /// Compaction has looked at every record below.
    pub clean: Offset,
}

/// Looks at the maps of every segment that has a compacted file.
pub(crate) async fn look_at_compacted<R: Runtime>(
    rt: &R,
    folder: &Path,
    entries: &[DirEntry],
) -> Result<Compacted, Error> {
    let files: Vec<(Offset, u32)> = generations(entries).collect();
    let bases: BTreeSet<Offset> = files.iter().map(|(base, _)| *base).collect();
    let mut found = Compacted {
        list: Vec::new(),
        gone: Vec::new(),
        clean: Offset(0),
    };
    let maps: BTreeSet<Offset> = numbers(entries, ".map").map(|(base, _)| base).collect();
    let plain: BTreeSet<Offset> = numbers(entries, ".log").map(|(base, _)| base).collect();
    // Whatever begins below is part of a compacted segment that is there.
    let mut covered = Offset(0);
    for base in bases {
        let generations = files.iter().filter(|(b, _)| *b == base).map(|(_, g)| *g);
        let map = match maps.contains(&base) && base >= covered {
            true => read_map(rt, folder, base).await?,
            false => None,
        };
        let generation = map.as_ref().map(|map| map.generation);
        let unreadable = maps.contains(&base) && base >= covered && map.is_none();
        for other in generations.filter(|g| Some(*g) != generation) {
            // With a map that is lost nobody knows which file counts: they are left to look at.
            if !unreadable {
                found.gone.push(segment_path(folder, base, other));
            }
        }
        let Some(map) = map.filter(|map| map.generation > 0) else {
            continue;
        };
        if plain.contains(&base) {
            found.gone.push(segment_path(folder, base, 0));
        }
        covered = map.settled.next_offset;
        found.clean = found.clean.max(map.clean);
        for part in maps.range(base.plus(1)..).take_while(|b| **b < covered) {
            found.gone.push(map_path(folder, *part));
        }
        for part in plain.range(base.plus(1)..).take_while(|b| **b < covered) {
            found.gone.push(segment_path(folder, *part, 0));
        }
        found.list.push(SegmentMeta::of(&map));
    }
    found.gone.sort();
    found.gone.dedup();
    Ok(found)
}

/// Files of compacted segments: base offset and generation, ascending.
pub(crate) fn generations(entries: &[DirEntry]) -> impl Iterator<Item = (Offset, u32)> + '_ {
    entries.iter().filter_map(|entry| {
        let name = entry.name.to_str()?.strip_suffix(".log")?;
        let (base, generation) = name.split_once('.')?;
        if base.len() != 20 || generation.len() != 8 {
            return None;
        }
        let generation = u32::from_str_radix(generation, 16).ok()?;
        Some((Offset(base.parse().ok()?), generation))
    })
}
