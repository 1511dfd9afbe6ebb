//! Writing a compacted segment and its map, up to the moment at which it may replace others.

use std::io;
use std::path::PathBuf;

use corelog_rt::{AlignedBuf, File, Runtime};

use super::pace::Pace;
use crate::codec::{count, index};
use crate::map::SegmentMap;
use crate::settler::seal;
use crate::unit::Framing;
use crate::{Error, Log};

/// Written at once: copying and summing it is part of one slice.
const PIECE_BYTES: usize = 256 << 10;

pub(super) struct Sink<R: Runtime> {
    log: Log<R>,
    pub path: PathBuf,
    file: R::File,
    pub map: SegmentMap,
    /// What is not written yet, from `written` on.
    buf: AlignedBuf,
    written: u64,
}

impl<R: Runtime> Sink<R> {
    /// `map`: of a segment in which nothing is yet. The file is empty.
    pub(super) fn new(log: &Log<R>, map: SegmentMap, file: R::File, path: PathBuf) -> Self {
        Self {
            log: log.clone(),
            path,
            file,
            map,
            buf: AlignedBuf::with_capacity(PIECE_BYTES),
            written: 0,
        }
    }

    /// The next batch that stays.
    pub(super) async fn put(&mut self, batch: &[u8], pace: &mut Pace<R>) -> Result<(), Error> {
        if let Some(unit) = Framing::Kafka.parse(batch) {
            self.map.add_left(&unit);
        }
        let mut rest = batch;
        while !rest.is_empty() {
            let room = PIECE_BYTES - self.buf.len();
            let (here, behind) = rest.split_at(rest.len().min(room));
            self.buf.extend_from_slice(here);
            rest = behind;
            if self.buf.len() == PIECE_BYTES {
                self.write(pace).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, pace: &mut Pace<R>) -> Result<(), Error> {
        self.map.extend(&self.buf);
        let buf = std::mem::replace(&mut self.buf, AlignedBuf::with_capacity(1));
        self.write_out(buf, pace).await
    }

    async fn write_out(&mut self, buf: AlignedBuf, pace: &mut Pace<R>) -> Result<(), Error> {
        let bytes = count(buf.len());
        let (result, mut buf) = pace.away(self.file.write(buf, self.written)).await;
        result.map_err(|e| self.failed(e))?;
        self.written += bytes;
        self.log.with(|c| c.stats.compaction.written_bytes += bytes);
        buf.set_len(0);
        self.buf = buf;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write compacted segment", &self.path, error).group(self.map.group)
    }

    /// Everything is durable under its own name, and nothing refers to it yet.
    pub(super) async fn finish(
        mut self,
        block: u32,
        pace: &mut Pace<R>,
    ) -> Result<SegmentMap, Error> {
        let mut buf = std::mem::replace(&mut self.buf, AlignedBuf::with_capacity(1));
        self.map.extend(&buf);
        buf.pad_to(index(u64::from(block)));
        if !buf.is_empty() {
            self.write_out(buf, pace).await?;
        }
        assert_eq!(self.map.bytes, self.map.whole, "all that stays is written");
        #[cfg(feature = "planted")]
        if crate::planted::is_awake(crate::planted::Bug::ReplacesEarly) {
            let cut = self.file.set_len(self.map.bytes);
            pace.away(cut).await.map_err(|e| self.failed(e))?;
            return Ok(self.map);
        }
        let sealed = pace.away(seal(&self.file, self.map.bytes)).await;
        sealed.map_err(|e| self.failed(e))?;
        Ok(self.map)
    }
}
