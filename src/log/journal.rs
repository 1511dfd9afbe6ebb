//! The journal's state: its files, the frame that is being filled, what waits for it.
//!
//! Owned by the core's [`crate::core::Core`]; the tasks in `writer.rs` and `grower.rs` do its I/O.
//! The ladder of sequences: `next_sequence` > written >= flushed_through >= live_from - 1.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use corelog_base::{GroupId, HardState, LogIndex, Monotonic, Term};
use corelog_rt::AlignedBuf;
use corelog_rt::local::Sender;

use crate::codec::{count, index};
use crate::frame::{Builder, FLAG_CLOSING, FLAG_SEAL, MetadataBefore, Row, Stamp};
use crate::unflushed::Unflushed;
use crate::{JournalId, JournalOptions};

/// Frames are not filled beyond this; one entry may be larger.
const FRAME_BYTES_MAX: u64 = 4 << 20;
/// Header, directory and padding of a frame with one entry, rounded up generously.
const SLACK_BYTES: u64 = 8 << 10;
/// A fresh frame buffer; grows when needed.
const BUFFER_BYTES: usize = 256 << 10;
/// What any frame but that of one large entry needs, with its directory. Larger ones are not kept.
const SPARE_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX as usize;
/// Producers are not done until they have been silent for this long.
const QUIET_AFTER: Duration = Duration::from_millis(10);
/// Files are extended ahead of use by at least this, in steps of this.
const AHEAD_BYTES: u64 = 32 << 20;
const EXTEND_BYTES: u64 = 8 << 20;

/// Something that waits to be put into a frame.
pub(crate) enum Item {
    /// Skipped if the entry was cut off meanwhile.
    Entry {
        group: GroupId,
        index: LogIndex,
        term: Term,
    },
    /// The group's record as it is when it is framed.
    Record { group: GroupId, answer: bool },
    /// Answered when everything before is flushed.
    Barrier(Sender<()>),
}

pub(crate) struct JournalFile<F> {
    pub number: u32,
    pub file: F,
    /// Frames may be written up to here.
    pub prewritten: u64,
    /// Where the next frame goes.
    pub used: u64,
    /// Of the frames in it; 0 if none.
    pub first_sequence: u64,
    pub last_sequence: u64,
}

/// What belongs to the frame that is being filled, beside its bytes.
#[derive(Default)]
pub(crate) struct Attached {
    pub flush: bool,
    pub records: Vec<(GroupId, HardState)>,
    pub barriers: Vec<Sender<()>>,
}

/// A frame on its way to the disk.
pub(crate) struct Frame<F> {
    pub file: F,
    /// Some until it is written.
    pub buf: Option<AlignedBuf>,
    pub position: u64,
    pub sequence: u64,
    pub live_from: u64,
    pub rows: Vec<Row>,
    pub attached: Attached,
    /// Of its file.
    pub number: u32,
    /// Some if frames before it were written and not flushed, which are flushed with it: the files of
    /// those that are in other ones.
    pub unflushed: Option<Vec<F>>,
}

/// So many frames are written without a flush, under load as well.
const UNFLUSHED_MAX: u32 = 64;

/// What the writer does next.
pub(crate) enum Next<F> {
    Frame(Frame<F>),
    /// Nothing waits; if true, a seal is due when that lasts.
    Idle {
        seal: bool,
    },
    /// Something waits, and there is no room for it.
    Blocked,
}

/// What the grower does next.
pub(crate) enum Grow<F> {
    Extend {
        file: F,
        number: u32,
        from: u64,
        to: u64,
    },
    Create {
        number: u32,
        path: PathBuf,
    },
    Nothing,
}

pub(crate) struct Journal<F> {
    pub id: JournalId,
    pub dir: PathBuf,
    pub options: JournalOptions,
    pub generation: u64,
    pub generation_first: u64,
    pub continues_after: u64,
    pub metadata_before: MetadataBefore,
    pub next_sequence: u64,
    pub flushed_through: u64,
    /// The lowest sequence that is still needed.
    pub live_from: u64,
    open: Option<Builder>,
    pub attached: Attached,
    pub backlog: VecDeque<Item>,
    pub carry: VecDeque<Item>,
    /// In use, oldest first; the last one is being filled.
    pub files: VecDeque<JournalFile<F>>,
    /// Released, but no flushed frame says so yet.
    pub retired: VecDeque<JournalFile<F>>,
    pub free: Vec<JournalFile<F>>,
    unflushed: Unflushed<F>,
    spare: Vec<AlignedBuf>,
    pub in_flight: bool,
    /// When the last frame was given out.
    busy_at: Monotonic,
    pub sealed: bool,
    pub seal_now: bool,
    pub closing: bool,
    /// The closing seal was written.
    pub closed: bool,
    /// While moved groups are rewritten at boot, the number of files is not bounded.
    pub unbounded: bool,
    pub next_number: u32,
    blocked: bool,
}

impl<F: Clone> Journal<F> {
    pub(crate) fn new(
        id: JournalId,
        dir: PathBuf,
        options: JournalOptions,
        generation: u64,
    ) -> Self {
        Self {
            id,
            dir,
            options,
            generation,
            generation_first: 1,
            continues_after: 0,
            metadata_before: MetadataBefore::NONE,
            next_sequence: 1,
            flushed_through: 0,
            live_from: 1,
            open: None,
            attached: Attached::default(),
            backlog: VecDeque::new(),
            carry: VecDeque::new(),
            files: VecDeque::new(),
            retired: VecDeque::new(),
            free: Vec::new(),
            unflushed: Unflushed::new(),
            spare: Vec::new(),
            in_flight: false,
            busy_at: Monotonic::default(),
            sealed: true,
            seal_now: false,
            closing: false,
            closed: false,
            unbounded: false,
            next_number: 0,
            blocked: false,
        }
    }

    pub(crate) fn frame_bytes_max(&self) -> u64 {
        FRAME_BYTES_MAX.min(self.options.file_bytes / 8)
    }

    /// The end of what new entries may use of the last file: the rest is for what is carried, so
    /// that a file can always be released.
    fn foreground_end(&self) -> u64 {
        if self.free.is_empty() && !self.unbounded {
            self.options.file_bytes / 8 * 5
        } else {
            self.options.file_bytes
        }
    }

    /// Whether a new entry of `data` bytes may go into the frame that is being filled; what is
    /// carried always may.
    pub(crate) fn has_room(&self, data: u64) -> bool {
        if !self.free.is_empty() {
            return true;
        }
        let bytes = self.frame_bytes_max().max(data + SLACK_BYTES);
        self.files
            .back()
            .is_some_and(|f| f.used + bytes <= self.foreground_end())
    }

    /// The frame that is being filled, if `data` more bytes fit into it.
    pub(crate) fn frame_for(&mut self, data: usize) -> Option<&mut Builder> {
        let bytes_max = index(self.frame_bytes_max());
        if self.open.is_none() {
            self.open_frame();
        }
        self.open
            .as_mut()
            .filter(|b| b.is_empty() || b.bytes_with(data) <= bytes_max)
    }

    fn open_frame(&mut self) {
        let buf = self
            .spare
            .pop()
            .unwrap_or_else(|| AlignedBuf::uncleared(BUFFER_BYTES));
        self.open = Some(Builder::new(buf, self.generation, self.next_sequence));
        self.next_sequence += 1;
    }

    /// Nobody waits for the disk, or has a moment ago.
    pub(crate) fn is_quiet(&self, now: Monotonic) -> bool {
        !self.in_flight && now.since(self.busy_at) > QUIET_AFTER
    }

    /// Something waits for room, as far as the writer has seen.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    pub(crate) fn has_work(&self) -> bool {
        self.open.is_some() || !self.backlog.is_empty() || !self.carry.is_empty()
    }

    /// The next frame, placed in a file. `block` is the files' alignment.
    pub(crate) fn next(&mut self, block: u32, now: Monotonic) -> Next<F> {
        assert!(!self.in_flight, "one flush cycle in flight");
        let closing_seal = self.closing && !self.closed && !self.has_work();
        if self.open.is_none() && (self.seal_now || closing_seal) {
            self.open_frame();
            self.attached.flush = true;
        }
        let Some(open) = &self.open else {
            self.blocked = self.has_work();
            return if self.blocked {
                Next::Blocked
            } else {
                Next::Idle { seal: !self.sealed }
            };
        };
        let bytes = count(open.bytes_with(0)).next_multiple_of(u64::from(block));
        if !self.make_room(bytes) {
            self.blocked = true;
            return Next::Blocked;
        }
        self.blocked = false;
        self.busy_at = now;
        Next::Frame(self.take(block))
    }

    fn make_room(&mut self, bytes: u64) -> bool {
        let full = self
            .files
            .back()
            .is_none_or(|f| f.used + bytes > self.options.file_bytes);
        if full && !self.free.is_empty() {
            let mut file = self.free.remove(0);
            file.used = 0;
            file.first_sequence = 0;
            file.last_sequence = 0;
            self.files.push_back(file);
        }
        self.files
            .back()
            .is_some_and(|f| f.used + bytes <= f.prewritten)
    }

    fn take(&mut self, block: u32) -> Frame<F> {
        let open = self.open.take().expect("checked by next");
        let sequence = open.sequence();
        let mut flags = 0;
        if open.is_empty() {
            flags |= FLAG_SEAL;
            if self.closing {
                flags |= FLAG_CLOSING;
                self.closed = true;
            }
        }
        let stamp = Stamp {
            flags,
            journal: self.id,
            flushed_through: self.flushed_through,
            live_from: self.live_from,
            generation_first: self.generation_first,
            continues_after: self.continues_after,
            metadata_before: self.metadata_before,
            block,
        };
        let is_seal = open.is_empty();
        let (buf, rows) = open.finish(&stamp);
        if rows.iter().any(|row| row.group == GroupId::METADATA) {
            self.metadata_before = MetadataBefore::at(sequence);
        }
        let file = self.files.back_mut().expect("made room");
        let position = file.used;
        file.used += count(buf.len());
        assert!(file.used <= file.prewritten);
        if file.first_sequence == 0 {
            file.first_sequence = sequence;
        }
        file.last_sequence = sequence;
        let attached = std::mem::take(&mut self.attached);
        let handle = file.file.clone();
        self.sealed = is_seal;
        self.seal_now = false;
        self.in_flight = true;
        let number = file.number;
        let unflushed = match attached.flush {
            true => self.unflushed.take(number),
            false => None,
        };
        Frame {
            file: handle,
            buf: Some(buf),
            position,
            sequence,
            live_from: self.live_from,
            rows,
            attached,
            number,
            unflushed,
        }
    }

    /// A frame is on disk, flushed or not. Released files come free.
    pub(crate) fn done(
        &mut self,
        (number, file): (u32, F),
        buf: AlignedBuf,
        sequence: u64,
        flushed: Option<u64>,
    ) {
        self.in_flight = false;
        if self.spare.len() < 2 && buf.capacity() <= SPARE_BYTES_MAX {
            self.spare.push(buf);
        }
        match flushed {
            Some(live_from) => {
                assert!(sequence > self.flushed_through);
                self.flushed_through = sequence;
                while self
                    .retired
                    .front()
                    .is_some_and(|f| f.last_sequence < live_from)
                {
                    self.free.extend(self.retired.pop_front());
                }
            }
            None => {
                // A seal will flush it at the latest.
                self.sealed = false;
                self.unflushed.push(number, file);
                self.seal_now |= self.unflushed.frames() > UNFLUSHED_MAX;
            }
        }
    }

    /// The oldest file, if it is time to release it.
    pub(crate) fn release_due(&self) -> Option<u64> {
        let rolled = count(self.files.len()).saturating_sub(1);
        let kept = u64::from(self.options.files_max).saturating_sub(2).max(1);
        if rolled < kept || self.unbounded {
            return None;
        }
        self.files.front().map(|f| f.last_sequence)
    }

    /// Everything in the oldest file is settled or carried.
    pub(crate) fn release(&mut self, last_sequence: u64) {
        let front = self.files.pop_front().expect("a file to release");
        assert_eq!(front.last_sequence, last_sequence);
        self.retired.push_back(front);
        let next = self.files.front().expect("the file being filled stays");
        self.live_from = if next.first_sequence == 0 {
            last_sequence + 1
        } else {
            next.first_sequence
        };
        // Some frame must say so before the file comes free; what waits for that very file gives
        // none.
        if self.open.is_none() {
            self.seal_now = true;
        }
    }

    /// What to prewrite next.
    pub(crate) fn grow(&mut self) -> Grow<F> {
        let file_bytes = self.options.file_bytes;
        let total = self.files.len() + self.retired.len() + self.free.len();
        if let Some(current) = self.files.back() {
            let ahead = current.prewritten - current.used;
            if current.prewritten < file_bytes && (ahead < AHEAD_BYTES || self.blocked) {
                return Grow::Extend {
                    file: current.file.clone(),
                    number: current.number,
                    from: current.prewritten,
                    to: (current.prewritten + EXTEND_BYTES).min(file_bytes),
                };
            }
            let busy = current.used >= file_bytes / 2;
            if let Some(next) = self.free.iter().find(|f| f.prewritten < file_bytes)
                && busy
            {
                return Grow::Extend {
                    file: next.file.clone(),
                    number: next.number,
                    from: next.prewritten,
                    to: (next.prewritten + EXTEND_BYTES).min(file_bytes),
                };
            }
            let early = !busy && !self.blocked;
            let may = self.unbounded || total < self.options.files_max as usize;
            if early || !may || !self.free.is_empty() {
                return Grow::Nothing;
            }
        }
        if self.files.is_empty() && !self.free.is_empty() {
            // Before the first frame: the next file is there already.
            return Grow::Nothing;
        }
        let number = self.next_number;
        self.next_number += 1;
        Grow::Create {
            number,
            path: self.dir.join(format!("{number:08}.journal")),
        }
    }

    /// A file was extended with zeros.
    pub(crate) fn extended(&mut self, number: u32, to: u64) {
        let all = self.files.iter_mut().chain(&mut self.retired);
        for file in all.chain(&mut self.free) {
            if file.number == number {
                file.prewritten = file.prewritten.max(to);
            }
        }
    }

    /// How much of a new file is prewritten before it is used.
    pub(crate) fn first_bytes(&self) -> u64 {
        self.options.prewrite_bytes.min(self.options.file_bytes)
    }

    /// Whether the grower should look.
    pub(crate) fn wants_growth(&self) -> bool {
        self.files.back().is_some_and(|f| {
            let whole = f.prewritten == self.options.file_bytes;
            !whole && f.prewritten - f.used < AHEAD_BYTES
                || whole && self.free.is_empty() && f.used >= self.options.file_bytes / 2
        })
    }

    pub(crate) fn close_files(&mut self) {
        self.files.clear();
        self.retired.clear();
        self.free.clear();
        self.unflushed = Unflushed::new();
    }

    pub(crate) fn file_count(&self) -> usize {
        self.files.len() + self.retired.len() + self.free.len()
    }
}
