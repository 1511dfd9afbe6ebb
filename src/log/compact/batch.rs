//! What stays of one batch, by the rules of Kafka's cleaner (`Cleaner.cleanInto`, KIP-534).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use corelog_base::{Offset, ProducerId, TimestampMs};
use corelog_record::{
    BareRecord, BareRecords, BatchHeader, Codec, EndMarker, Kind as RecordKind, Thinning, section,
    without_records,
};
use corelog_rt::Runtime;

use super::key_hash::siphash;
use super::key_table::KeyTable;
use super::pace::Pace;
use super::plan::Plan;
use crate::{AbortedRange, LastOf, Log};

/// A batch that decompresses to more than this is kept as it is; a compacted topic takes no such one.
const SECTION_BYTES_MAX: usize = 64 << 20;
/// A key longer than this is hashed on the thread for cold work.
const KEY_BYTES_HERE: usize = 64 << 10;

/// What a codec may be given to do on the core, in decompressed bytes: about a slice's worth.
fn bytes_here(codec: Codec) -> usize {
    match codec {
        Codec::None => 256 << 10,
        Codec::Snappy | Codec::Lz4 => 32 << 10,
        Codec::Zstd => 16 << 10,
        Codec::Gzip => 4 << 10,
    }
}

/// What stays of a batch.
pub(super) enum Left {
    Nothing,
    Whole,
    Batch(Bytes),
}

/// What a pass knows while it goes through the log in order.
pub(super) struct Sieve {
    pub start: Offset,
    pub table: KeyTable,
    /// Every key below is in the table, from the log's first to here.
    pub mapped: Offset,
    now: TimestampMs,
    horizon: TimestampMs,
    /// Producers with a transactional batch since their last marker.
    open: BTreeSet<ProducerId>,
    /// Where each producer's aborted transactions lie in the present segment.
    aborted: BTreeMap<ProducerId, Vec<AbortedRange>>,
    pub removed_records: u64,
}

impl Sieve {
    pub(super) fn new(plan: &Plan, table: KeyTable) -> Self {
        let retention = plan.config.delete_retention.as_millis();
        let retention = i64::try_from(retention).unwrap_or(i64::MAX);
        Self {
            start: plan.start,
            table,
            mapped: plan.clean,
            now: plan.now,
            horizon: TimestampMs(plan.now.0.saturating_add(retention)),
            open: BTreeSet::new(),
            aborted: BTreeMap::new(),
            removed_records: 0,
        }
    }

    /// The aborted transactions of the segment that follows.
    pub(super) fn set_aborted(&mut self, ranges: Vec<AbortedRange>) {
        self.aborted.clear();
        for range in ranges {
            self.aborted.entry(range.producer).or_default().push(range);
        }
    }

    /// Whether a batch's records belong to a transaction that was aborted.
    pub(super) fn is_aborted(&self, header: &BatchHeader) -> bool {
        let transactional = header.attributes.is_transactional() && !header.attributes.is_control();
        let ranges = self.aborted.get(&header.producer_id);
        let within =
            |r: &AbortedRange| r.first <= header.base_offset && header.last_offset() < r.last;
        transactional && ranges.is_some_and(|ranges| ranges.iter().any(within))
    }

    /// A marker stays until a pass has seen nothing of its transaction, and then until its horizon.
    fn left_of_marker(
        &mut self,
        header: &BatchHeader,
        batch: &Bytes,
        last: Option<LastOf>,
    ) -> Left {
        let Ok(Some(_)) = EndMarker::parse(header, batch) else {
            return Left::Whole;
        };
        let is_empty = !self.open.remove(&header.producer_id);
        let is_last = last.is_some_and(|l| l.offset.is_none() && l.epoch == header.producer_epoch);
        if header.next_offset() <= self.start {
            return if is_last { Left::Whole } else { Left::Nothing };
        }
        if !is_empty || header.next_offset() > self.mapped {
            return Left::Whole;
        }
        match header.delete_horizon() {
            Some(horizon) if horizon <= self.now && !is_last => Left::Nothing,
            Some(_) => Left::Whole,
            None => {
                let Ok(section) = section(batch, SECTION_BYTES_MAX) else {
                    return Left::Whole;
                };
                let mut thinning = Thinning::new(header);
                for record in BareRecords::new(header, &section) {
                    match record {
                        Ok(record) => thinning.keep(&record),
                        Err(_) => return Left::Whole,
                    }
                }
                match thinning.finish(batch, &section, Some(self.horizon)) {
                    Ok(marked) => Left::Batch(marked.freeze()),
                    Err(_) => Left::Whole,
                }
            }
        }
    }

    /// Whether a record stays; `hash` is its key's.
    fn stays(&self, header: &BatchHeader, record: &BareRecord<'_>, hash: Option<[u64; 2]>) -> bool {
        if record.offset < self.start {
            return false;
        }
        if record.offset >= self.mapped {
            return true;
        }
        // From a time in which the topic was not compacted.
        let Some(hash) = hash else {
            return false;
        };
        if self
            .table
            .last(hash)
            .is_some_and(|last| last > record.offset)
        {
            return false;
        }
        let expired = header.delete_horizon().is_some_and(|at| at <= self.now);
        record.has_value || !expired
    }

    /// Whether the header must say from when on its tombstones may go.
    fn needs_horizon(&self, header: &BatchHeader, thinning: &Thinning) -> bool {
        thinning.has_tombstone()
            && header.delete_horizon().is_none()
            && header.next_offset() <= self.mapped
    }
}

/// Goes through batches on a core, without holding it for long.
pub(super) struct Worker<R: Runtime> {
    pub log: Log<R>,
    pub pace: Pace<R>,
    pub sieve: Sieve,
    plan: Plan,
}

/// A batch's records are not what they claim: it came uncompacted, or its topic took what it does
/// not take now. It stays as it is.
struct Unreadable;

impl From<corelog_record::Error> for Unreadable {
    fn from(_: corelog_record::Error) -> Self {
        Self
    }
}

impl From<std::io::Error> for Unreadable {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl<R: Runtime> Worker<R> {
    pub(super) fn new(log: &Log<R>, plan: &Plan, sieve: Sieve) -> Self {
        Self {
            log: log.clone(),
            pace: Pace::new(log),
            sieve,
            plan: plan.clone(),
        }
    }

    /// Notes the keys of a batch at or above the offset up to which the pass knows them. False if
    /// the table is full: `mapped` is where it ended.
    pub(super) async fn note(&mut self, header: &BatchHeader, batch: &Bytes) -> bool {
        let is_data = !header.attributes.is_control() && !self.sieve.is_aborted(header);
        if is_data && header.record_count > 0 && header.next_offset() > self.sieve.mapped {
            match self.note_records(header, batch).await {
                Ok(true) | Err(Unreadable) => {}
                Ok(false) => return false,
            }
        }
        self.sieve.mapped = self.sieve.mapped.max(header.next_offset());
        true
    }

    async fn note_records(
        &mut self,
        header: &BatchHeader,
        batch: &Bytes,
    ) -> Result<bool, Unreadable> {
        use super::key_table::Noted;
        let section = self.section(header, batch).await?;
        for record in BareRecords::new(header, &section) {
            let record = record?;
            if record.offset < self.sieve.mapped {
                continue;
            }
            if let Some(hash) = self.hash(record.key).await?
                && self.sieve.table.note(hash, record.offset) == Noted::Full
            {
                self.sieve.mapped = record.offset;
                return Ok(false);
            }
            if self.pace.is_over() {
                self.pace.rest().await;
            }
        }
        Ok(true)
    }

    /// What stays of a batch. In the order of the log, each once.
    pub(super) async fn left_of(&mut self, header: &BatchHeader, batch: &Bytes) -> Left {
        let (group, producer) = (self.plan.group, header.producer_id);
        let last = match producer {
            ProducerId::NONE => None,
            _ => self.log.checkpoints.with(|c| c.last_of(group, producer)),
        };
        if header.attributes.is_control() {
            return self.sieve.left_of_marker(header, batch, last);
        }
        let is_gone = header.next_offset() <= self.sieve.start;
        if header.attributes.is_transactional() && !is_gone {
            self.sieve.open.insert(producer);
        }
        let left = if is_gone || self.sieve.is_aborted(header) || header.record_count == 0 {
            Ok(Left::Nothing)
        } else {
            self.left_of_records(header, batch).await
        };
        let left = left.unwrap_or(Left::Whole);
        if matches!(left, Left::Nothing) {
            let records = u64::try_from(header.record_count).unwrap_or(0);
            self.sieve.removed_records += records;
            let is_last = last.is_some_and(|l| l.offset == Some(header.last_offset()));
            return match without_records(batch) {
                Ok(_) if is_last && header.record_count == 0 => Left::Whole,
                Ok(empty) if is_last => Left::Batch(empty.freeze()),
                _ => Left::Nothing,
            };
        }
        left
    }

    async fn left_of_records(
        &mut self,
        header: &BatchHeader,
        batch: &Bytes,
    ) -> Result<Left, Unreadable> {
        let section = self.section(header, batch).await?;
        let mut thinning = Thinning::new(header);
        let mut walked = 0;
        for record in BareRecords::new(header, &section) {
            let record = record?;
            walked += 1;
            let hash = match record.offset < self.sieve.mapped {
                true => self.hash(record.key).await?,
                false => None,
            };
            if self.sieve.stays(header, &record, hash) {
                thinning.keep(&record);
            }
            if self.pace.is_over() {
                self.pace.rest().await;
            }
        }
        if thinning.kept() == 0 {
            return Ok(Left::Nothing);
        }
        let horizon = self.sieve.needs_horizon(header, &thinning);
        let horizon = horizon.then_some(self.sieve.horizon);
        if thinning.is_whole() && horizon.is_none() {
            return Ok(Left::Whole);
        }
        self.sieve.removed_records += u64::try_from(walked - thinning.kept()).unwrap_or(0);
        let codec = header.attributes.codec()?;
        let thinned = if section.len() <= bytes_here(codec) {
            thinning.finish(batch, &section, horizon)
        } else {
            let batch = batch.clone();
            let work = move || thinning.finish(&batch, &section, horizon);
            self.pace.away(self.log.rt.compute(work)).await?
        };
        if self.pace.is_late() {
            self.pace.rest().await;
        }
        Ok(Left::Batch(thinned?.freeze()))
    }

    /// A batch's records, decompressed.
    async fn section(&mut self, header: &BatchHeader, batch: &Bytes) -> Result<Bytes, Unreadable> {
        let codec = header.attributes.codec()?;
        if codec == Codec::None {
            return Ok(batch.slice(BatchHeader::BYTES..));
        }
        match section(batch, bytes_here(codec)) {
            Ok(Cow::Owned(section)) => {
                if self.pace.is_late() {
                    self.pace.rest().await;
                }
                return Ok(Bytes::from(section));
            }
            Ok(Cow::Borrowed(section)) => return Ok(batch.slice_ref(section)),
            Err(error) if error.kind == RecordKind::TooLarge => {}
            Err(_) => return Err(Unreadable),
        }
        let compressed = batch.clone();
        let work = move || section(&compressed, SECTION_BYTES_MAX).map(Cow::into_owned);
        let section = self.pace.away(self.log.rt.compute(work)).await??;
        Ok(Bytes::from(section))
    }

    async fn hash(&mut self, key: Option<&[u8]>) -> Result<Option<[u64; 2]>, Unreadable> {
        let Some(key) = key else {
            return Ok(None);
        };
        let hash_key = self.sieve.table.hash_key;
        if key.len() <= KEY_BYTES_HERE {
            return Ok(Some(siphash(hash_key, key)));
        }
        let key = key.to_vec();
        let work = move || siphash(hash_key, &key);
        Ok(Some(self.pace.away(self.log.rt.compute(work)).await?))
    }
}
