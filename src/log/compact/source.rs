//! Walking a sealed segment's batches, past the caches: a pass reads each once.

use bytes::Bytes;
use corelog_base::Offset;
use corelog_record::BatchHeader;
use corelog_rt::Runtime;

use super::pace::Pace;
use crate::codec::{count, index, round_up};
use crate::map::CHUNK_BYTES;
use crate::segment::Segment;
use crate::unit::Framing;
use crate::{Error, Kind, Log};

/// Read at once, unless a batch is larger. Summing it is part of one slice.
const WINDOW_BYTES: u64 = 512 << 10;

pub(super) struct Source<R: Runtime> {
    log: Log<R>,
    pub segment: Segment<R>,
    /// Checked bytes, from `at` on.
    held: Bytes,
    at: u64,
    /// Where the next batch begins.
    position: u64,
}

impl<R: Runtime> Source<R> {
    pub(super) fn new(log: &Log<R>, segment: Segment<R>) -> Self {
        Self {
            log: log.clone(),
            segment,
            held: Bytes::new(),
            at: 0,
            position: 0,
        }
    }

    /// Goes on with the batch that contains `offset`, or one before it.
    pub(super) fn skip_to(&mut self, offset: Offset) {
        if let Some(mark) = self.segment.map.mark_for_offset(offset) {
            self.position = self.position.max(mark.position);
        }
    }

    /// The next batch; None at the end.
    ///
    /// # Errors
    /// `Damaged`, `Io`; `Closed` if the log closes meanwhile.
    pub(super) async fn next(
        &mut self,
        pace: &mut Pace<R>,
    ) -> Result<Option<(BatchHeader, Bytes)>, Error> {
        let whole = self.segment.map.whole;
        if self.position >= whole {
            return Ok(None);
        }
        let header_bytes = count(Framing::Kafka.header_bytes());
        self.hold(header_bytes, pace).await?;
        let head = self.slice(header_bytes);
        let Some(header) = head.and_then(|head| BatchHeader::parse(&head).ok()) else {
            return Err(self.segment.damaged(self.position));
        };
        let bytes = u64::from(header.batch_bytes);
        self.hold(bytes, pace).await?;
        let Some(batch) = self.slice(bytes) else {
            return Err(self.segment.damaged(self.position));
        };
        self.position += bytes;
        Ok(Some((header, batch)))
    }

    fn slice(&self, bytes: u64) -> Option<Bytes> {
        let from = index(self.position.checked_sub(self.at)?);
        let to = from.checked_add(index(bytes))?;
        (to <= self.held.len()).then(|| self.held.slice(from..to))
    }

    /// Reads on if the next `bytes` are not here.
    async fn hold(&mut self, bytes: u64, pace: &mut Pace<R>) -> Result<(), Error> {
        if self.slice(bytes).is_some() {
            return Ok(());
        }
        if self.log.with(|c| c.disk.closing || c.disk.fenced.is_some()) {
            return Err(Error::new(Kind::Closed, "compact"));
        }
        let first = self.position / CHUNK_BYTES;
        let start = first * CHUNK_BYTES;
        let wanted = (self.position - start).saturating_add(bytes);
        let length = round_up(wanted.max(WINDOW_BYTES), CHUNK_BYTES);
        let length = length.min(self.segment.map.bytes.saturating_sub(start));
        self.held = Bytes::new();
        let read = pace.away(self.segment.read_file(start, length)).await?;
        self.log
            .with(|c| c.stats.compaction.read_bytes += count(read.len()));
        self.held = self.segment.sound(first, &read)?;
        self.at = start;
        match self.slice(bytes) {
            Some(_) => Ok(()),
            None => Err(self.segment.damaged(start + count(self.held.len()))),
        }
    }
}
