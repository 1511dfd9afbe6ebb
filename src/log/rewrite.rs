//! Makes durable what was found at a start and may not be.
//!
//! A process may have died after a write and before its flush, or after a flush that failed. What
//! is read then need not be what a power loss leaves, and a flush that succeeds now does not say
//! that it is: the kernel or the disk may have dropped what it could not write. So the bytes are
//! written again, at the same place, and flushed. The same bytes harm nothing if that is torn.

use std::io;
use std::path::Path;
use std::sync::Arc;

use corelog_base::GroupId;
use corelog_rt::{AlignedBuf, File, OpenMode, Runtime};

use crate::codec::{count, index, round_down, round_up};
use crate::group::{folder, map_path, segment_path};
use crate::map::{CHUNK_BYTES, SegmentMap};
use crate::settler::{Hold, replace_map, seal};
use crate::{Error, Log, Position};

/// Segments are read and written in pieces of this.
const PIECE_BYTES: u64 = 1 << 20;

/// Reads `bytes` of a file and commits them again; both are multiples of the file's alignment.
///
/// # Errors
/// What reading and writing say; `UnexpectedEof` if the file is shorter.
pub(crate) async fn write_again<F: File>(file: &F, at: u64, bytes: u64) -> io::Result<()> {
    let buf = AlignedBuf::with_capacity(index(bytes));
    let (result, mut buf) = file.read(buf, at).await;
    result?;
    if count(buf.len()) < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buf.set_len(index(bytes));
    file.commit(buf, at).await.0
}

/// What the files hold beyond this may not be durable.
struct Unsure {
    map: Arc<SegmentMap>,
    sure: Position,
    segment: std::path::PathBuf,
    map_path: std::path::PathBuf,
}

/// Writes and flushes the newest segment and map of a group again, if they were found at the start
/// and hold more than the journal knows to be settled. The caller may then release that journal.
pub(crate) async fn flush_newest<R: Runtime>(log: &Log<R>, group: GroupId) -> Result<(), Error> {
    let hold = log.hold(group).await;
    let result = make_sure(log, &hold).await;
    log.release_hold(hold);
    result
}

/// The same for who has the group already: before the next cycle adds to these files, for its
/// flushes say nothing of what was there.
pub(crate) async fn make_sure<R: Runtime>(log: &Log<R>, hold: &Hold) -> Result<(), Error> {
    let group = hold.group();
    let found = log.with(|c| {
        let state = c.groups.get(&group).filter(|g| g.segments.unsure)?;
        let map = state.segments.newest.clone()?;
        let folder = folder(&c.options.dir, state.topic, state.partition);
        Some(Unsure {
            sure: state.segments.sure,
            segment: segment_path(&folder, map.base_offset, map.generation),
            map_path: map_path(&folder, map.base_offset),
            map,
        })
    });
    match found {
        Some(unsure) => flush(log, group, unsure).await,
        None => Ok(()),
    }
}

async fn flush<R: Runtime>(log: &Log<R>, group: GroupId, unsure: Unsure) -> Result<(), Error> {
    let path = &unsure.segment;
    rewrite_segment(&log.rt, &unsure, path)
        .await
        .map_err(|e| Error::io("write segment again", path, e))?;
    let block = log.with(|c| c.block);
    let path = &unsure.map_path;
    let mut map = SegmentMap::clone(&unsure.map);
    replace_map(&log.rt, &mut map, path, block)
        .await
        .map_err(|e| Error::io("write segment map again", path, e))?;
    log.with(|c| {
        if let Some(state) = c.groups.get_mut(&group) {
            state.segments.unsure = false;
            state.segments.newest = Some(Arc::new(map));
        }
    });
    Ok(())
}

async fn rewrite_segment<R: Runtime>(rt: &R, unsure: &Unsure, path: &Path) -> io::Result<()> {
    let map = &unsure.map;
    let file = match rt.open(path, OpenMode::ReadWrite).await {
        // Nothing is settled in it, and its name may be lost where its map's is not.
        Err(error) if error.kind() == io::ErrorKind::NotFound && map.bytes == 0 => {
            rt.open(path, OpenMode::CreateNew).await?
        }
        other => other?,
    };
    let block = u64::from(file.alignment());
    let from = map
        .mark_for_index(unsure.sure.index)
        .map_or(0, |mark| round_down(mark.position, CHUNK_BYTES));
    let mut at = from;
    while at < map.bytes {
        let bytes = PIECE_BYTES.min(round_up(map.bytes - at, block));
        let buf = AlignedBuf::with_capacity(index(bytes));
        let (result, mut buf) = file.read(buf, at).await;
        result?;
        // The end of a sealed segment lies within a block.
        buf.pad_to(index(block));
        file.write(buf, at).await.0?;
        at += bytes;
    }
    if map.sealed {
        seal(&file, map.bytes).await
    } else {
        file.sync_all().await
    }
}
