//! Reading ahead of one who reads a segment from front to back, so that the disk reads while what it
//! brought before is sent.

use std::ops::Range;

use bytes::Bytes;
use corelog_rt::{Notify, Runtime};

use crate::cache::{Block, SegmentId};
use crate::codec::{count, index};
use crate::map::CHUNK_BYTES;
use crate::segment::Segment;

/// Read at once.
pub(crate) const FLIGHT_BYTES_MAX: u64 = 1 << 20;
/// So many of a segment at a time keep the disk busy. With more, the first lands hardly sooner than
/// the last, because the disk serves all of them, and so does what producers wait for.
const FLIGHTS_MAX: usize = 2;
/// While this core's producers wait for the disk, too.
const FLIGHTS_BESIDE_WRITES: usize = 1;
/// As far ahead of a reader as its reads are long, but no less and no more than this.
const AHEAD_BYTES_MIN: u64 = 4 << 20;
const AHEAD_BYTES_MAX: u64 = 8 << 20;

/// Bytes of a segment on their way to memory.
struct Flight {
    id: SegmentId,
    range: Range<u64>,
    waiters: Vec<Notify>,
}

impl Flight {
    /// Whether it brings the byte at `position`.
    fn brings(&self, id: SegmentId, position: u64) -> bool {
        self.id == id && self.range.contains(&position)
    }
}

/// What a core reads ahead. Short: bounded by the memory for blocks.
#[derive(Default)]
pub(crate) struct Flights {
    list: Vec<Flight>,
}

impl Flights {
    /// The range counts as on its way until it lands.
    pub(crate) fn begin(&mut self, id: SegmentId, range: Range<u64>) -> Range<u64> {
        self.list.push(Flight {
            id,
            range: range.clone(),
            waiters: Vec::new(),
        });
        range
    }

    /// Where the flight ends that brings the byte at `position`.
    pub(crate) fn end_of(&self, id: SegmentId, position: u64) -> Option<u64> {
        let mut flights = self.list.iter();
        let flight = flights.find(|flight| flight.brings(id, position))?;
        Some(flight.range.end)
    }

    /// Notified when the flight that brings the byte at `position` lands; None if there is none.
    fn landing(&mut self, id: SegmentId, position: u64) -> Option<Notify> {
        let mut flights = self.list.iter_mut();
        let flight = flights.find(|flight| flight.brings(id, position))?;
        let landed = Notify::new();
        flight.waiters.push(landed.clone());
        Some(landed)
    }

    /// Ends the flight that began there; these wait for it.
    pub(crate) fn land(&mut self, id: SegmentId, from: u64) -> Vec<Notify> {
        let is_it = |flight: &Flight| flight.id == id && flight.range.start == from;
        match self.list.iter().position(is_it) {
            Some(at) => self.list.swap_remove(at).waiters,
            None => Vec::new(),
        }
    }

    fn count(&self, id: SegmentId) -> usize {
        self.list.iter().filter(|flight| flight.id == id).count()
    }

    pub(crate) fn bytes(&self) -> u64 {
        let flights = self.list.iter();
        flights.map(|f| f.range.end - f.range.start).sum()
    }
}

impl<R: Runtime> Segment<R> {
    /// Starts to read what is not in memory of `position..end`, and of what follows it.
    pub(crate) fn read_ahead(&self, position: u64, end: u64) {
        let ahead = (end - position).clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
        let upto = end + ahead;
        while let Some(range) = self.begin_flight(position, upto) {
            self.log.start(fly(self.clone(), range, upto));
        }
    }

    fn begin_flight(&self, position: u64, upto: u64) -> Option<Range<u64>> {
        let place = (position, upto, self.map.bytes);
        let (id, now) = (self.map.id(), self.log.rt.now());
        self.log.with(|c| {
            let flights_max = match c.journal.is_quiet(now) {
                true => FLIGHTS_MAX,
                false => FLIGHTS_BESIDE_WRITES,
            };
            let is_wanted = !c.disk.closing && c.cache.flights.count(id) < flights_max;
            is_wanted.then(|| c.cache.begin_flight(id, place))?
        })
    }

    /// Whether both ends of these bytes are in memory.
    pub(crate) fn is_at_hand(&self, bytes: Range<u64>) -> bool {
        let id = self.map.id();
        let is_held = |position| self.log.with(|c| c.cache.block(id, position).is_some());
        is_held(bytes.start) && is_held(bytes.end - 1)
    }

    /// What there is in memory from `position` on, once it reaches to `least`; waits for what is on
    /// its way. None if it does not.
    pub(crate) async fn at_hand(&self, position: u64, least: u64) -> Option<Bytes> {
        let id = self.map.id();
        if self.log.with(|c| c.cache.held_to(id, position)) < least.max(position + 1) {
            return None;
        }
        let mut parts = Vec::new();
        let mut at = position;
        while at < least.max(position + 1) {
            let mut block = self.log.with(|c| c.cache.block(id, at));
            if block.is_none() {
                let landing = self.log.with(|c| c.cache.flights.landing(id, at))?;
                landing.notified().await;
                block = self.log.with(|c| c.cache.block(id, at));
            }
            let found = block?.from(at);
            at += count(found.len());
            parts.push(found);
        }
        let last = parts.pop()?;
        if parts.is_empty() {
            return Some(last);
        }
        // A unit, or its header, that lies in several blocks: no more than that is copied.
        parts.push(last.slice(..last.len() - index(at - least)));
        Some(parts.concat().into())
    }
}

/// Reads a range into memory, and goes on where nobody reads yet, up to `upto`. What cannot be read,
/// or is not what was written, is not there then: whoever needs it reads it, and meets the error.
async fn fly<R: Runtime>(segment: Segment<R>, range: Range<u64>, upto: u64) {
    let id = segment.map.id();
    let mut next = Some(range);
    while let Some(range) = next {
        let length = range.end - range.start;
        let read = segment.read_file(range.start, length).await;
        let first = range.start / CHUNK_BYTES;
        let sound = read.map(|bytes| segment.sound_start(first, &bytes));
        let sound = sound.unwrap_or_default();
        let is_whole = count(sound.len()) == length;
        let waiters = segment.log.with(|c| {
            if !sound.is_empty() {
                c.cache.put_block(id, Block::ahead(range.start, sound));
            }
            c.cache.flights.land(id, range.start)
        });
        waiters.iter().for_each(Notify::notify);
        next = match is_whole {
            true => segment.begin_flight(range.start, upto),
            false => None,
        };
    }
}
