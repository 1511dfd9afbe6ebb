//! Finds the segments of every partition, and reads the newest map of each.

use std::io;
use std::path::{Path, PathBuf};

use corelog_base::{Offset, PartitionIndex, TopicId};
use corelog_rt::{DirEntry, Runtime};

use crate::Error;
use crate::group::{SegmentEnd, SegmentMeta, folder, map_path, segment_path};
use crate::leftovers::{Compacted, look_at_compacted};
use crate::map::SegmentMap;
use crate::map_codec::parse_map;

/// A partition's folder as it was found.
pub(crate) struct FoundSegments {
    pub topic: TopicId,
    pub partition: PartitionIndex,
    /// Ascending; those with a map.
    pub list: Vec<SegmentMeta>,
    pub newest: Option<SegmentMap>,
    /// There are maps, and none has a good record.
    pub map_lost: bool,
    /// Files of segments without a map: nothing was settled in them, or they were being unlinked.
    pub orphans: Vec<PathBuf>,
    /// What compaction left behind when it was cut short; gone once the folder is flushed.
    pub replaced: Vec<PathBuf>,
    /// Compaction has looked at every record below.
    pub clean: Offset,
}

/// Every partition that has a folder.
pub(crate) async fn read_segments<R: Runtime>(
    rt: &R,
    dir: &Path,
) -> Result<Vec<FoundSegments>, Error> {
    let topics = dir.join("topics");
    let mut found = Vec::new();
    for topic in list(rt, &topics).await? {
        let Some(id) = topic.name.to_str().and_then(|n| n.parse::<TopicId>().ok()) else {
            continue;
        };
        for partition in list(rt, &topics.join(&topic.name)).await? {
            let number = partition.name.to_str().and_then(|n| n.parse::<i32>().ok());
            let Some(number) = number.filter(|_| partition.is_dir) else {
                continue;
            };
            found.push(read_partition(rt, dir, id, PartitionIndex(number)).await?);
        }
    }
    Ok(found)
}

/// The folder's entries; none if it does not exist.
pub(crate) async fn list<R: Runtime>(rt: &R, path: &Path) -> Result<Vec<DirEntry>, Error> {
    match rt.read_dir(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|e| Error::io("list folder", path, e)),
    }
}

async fn read_partition<R: Runtime>(
    rt: &R,
    dir: &Path,
    topic: TopicId,
    partition: PartitionIndex,
) -> Result<FoundSegments, Error> {
    let path = folder(dir, topic, partition);
    let entries = list(rt, &path).await?;
    let Compacted {
        mut list,
        gone,
        clean,
    } = look_at_compacted(rt, &path, &entries).await?;
    let mut found = FoundSegments {
        topic,
        partition,
        list: Vec::new(),
        newest: None,
        map_lost: false,
        orphans: Vec::new(),
        replaced: gone,
        clean,
    };
    let is_gone = |path: &PathBuf| found.replaced.contains(path);
    let compacted = |offset: Offset| list.iter().any(|s| s.base_offset == offset);
    let maps = numbers(&entries, ".map").map(|(offset, _)| offset);
    let maps: Vec<Offset> = maps
        .filter(|offset| !is_gone(&map_path(&path, *offset)) && !compacted(*offset))
        .collect();
    let meta = |base_offset, bytes| SegmentMeta {
        base_offset,
        generation: 0,
        bytes,
        end: None,
    };
    let mut plain = Vec::new();
    for (base_offset, bytes) in numbers(&entries, ".log") {
        let path = segment_path(&path, base_offset, 0);
        if maps.binary_search(&base_offset).is_ok() {
            plain.push(meta(base_offset, bytes));
        } else if !is_gone(&path) {
            found.orphans.push(path);
        }
    }
    // A map whose segment is gone still says what was settled.
    for base_offset in maps {
        if !plain.iter().any(|s| s.base_offset == base_offset) {
            plain.push(meta(base_offset, 0));
        }
    }
    list.append(&mut plain);
    found.list = list;
    found.list.sort_by_key(|s| s.base_offset);
    while let Some(last) = found.list.last_mut() {
        if let Some(map) = read_map(rt, &path, last.base_offset).await? {
            last.bytes = map.whole;
            last.end = Some(SegmentEnd::of(&map));
            found.newest = Some(map);
            break;
        }
        // Cut short when it was made, unless the journal knows better.
        let file = segment_path(&path, last.base_offset, last.generation);
        found.orphans.push(map_path(&path, last.base_offset));
        found.orphans.push(file);
        found.list.pop();
        found.map_lost = found.list.is_empty();
    }
    Ok(found)
}

/// Files named by an offset, ascending.
pub(crate) fn numbers<'a>(
    entries: &'a [DirEntry],
    suffix: &'a str,
) -> impl Iterator<Item = (Offset, u64)> + 'a {
    entries.iter().filter_map(move |entry| {
        let name = entry.name.to_str()?.strip_suffix(suffix)?;
        if name.len() != 20 {
            return None;
        }
        Some((Offset(name.parse().ok()?), entry.bytes))
    })
}

/// One map; None if it has no good record, or not of this segment.
pub(crate) async fn read_map<R: Runtime>(
    rt: &R,
    folder: &Path,
    base_offset: Offset,
) -> Result<Option<SegmentMap>, Error> {
    let path = map_path(folder, base_offset);
    let bytes = rt
        .read_small(&path)
        .await
        .map_err(|e| Error::io("read segment map", &path, e))?;
    Ok(parse_map(&bytes)
        .map
        .filter(|map| map.base_offset == base_offset))
}
