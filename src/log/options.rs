//! What a log is told: budgets of a core, and the settings of a group.

use std::path::PathBuf;
use std::time::Duration;

/// Of one core's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The node's data directory; `journal/` and `topics/` are made inside.
    pub dir: PathBuf,
    pub journal: JournalOptions,
    /// Entries in memory that are already settled, kept for consumers at the tail.
    pub tail_cache_bytes_max: u64,
    /// Entries in memory that are not settled yet. From half of it on the groups with the most are
    /// settled; when it is used up, or `admit` refuses what does not fit into the rest of it,
    /// `Event::Pressure(true)` is sent, and below 75 %, once there is room for what was refused,
    /// `Pressure(false)`.
    pub unsettled_bytes_max: u64,
    /// Blocks of segments that were read from disk.
    pub block_cache_bytes_max: u64,
    /// Appends are refused while the file system has less free than this plus what is unsettled.
    pub disk_reserve_bytes: u64,
    /// A group with at least this much committed and unsettled, or a whole segment of it, is settled
    /// in the background. Large, because a cycle costs two flushes whatever its size; memory is
    /// bounded by `unsettled_bytes_max`.
    pub settle_bytes: u64,
    pub bulk: BulkOptions,
    /// Files of segments and maps that are kept open; at least 8.
    pub segment_files_max: u32,
    /// The table of keys while a group is compacted, 24 bytes a slot. Taken only meanwhile, and no
    /// larger than the records to look at need.
    pub compaction_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("corelog-data"),
            journal: JournalOptions::default(),
            tail_cache_bytes_max: 64 << 20,
            unsettled_bytes_max: 192 << 20,
            block_cache_bytes_max: 64 << 20,
            disk_reserve_bytes: 256 << 20,
            settle_bytes: 4 << 20,
            bulk: BulkOptions::default(),
            segment_files_max: 512,
            compaction_bytes_max: 32 << 20,
        }
    }
}

/// When a group's entries go around the journal, straight to its segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BulkOptions {
    /// Only entries with at least this much data.
    pub entry_bytes_min: u64,
    /// Only once at least this much of the group was appended and has not committed: a lone batch
    /// is there sooner by way of the journal.
    pub bytes_ahead_min: u64,
    /// How long entries wait for the settling of those before them, and at the end of a segment for
    /// the next one, before they go by way of the journal.
    pub wait_max: Duration,
}

impl Default for BulkOptions {
    fn default() -> Self {
        Self {
            entry_bytes_min: 64 << 10,
            bytes_ahead_min: 3 << 19,
            wait_max: Duration::from_millis(50),
        }
    }
}

/// Of one core's journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalOptions {
    /// Each file's full size; a multiple of 1 MiB.
    pub file_bytes: u64,
    /// At least 2. The journal takes at most `file_bytes * files_max` of the disk.
    pub files_max: u32,
    /// How much of the first file is written with zeros before the first start is ready. The rest
    /// follows in the background, ahead of use.
    pub prewrite_bytes: u64,
    /// After a flush with nothing behind it for this long, a seal frame is written.
    pub seal_after: Duration,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            file_bytes: 256 << 20,
            files_max: 4,
            prewrite_bytes: 16 << 20,
            seal_after: Duration::from_millis(10),
        }
    }
}

impl JournalOptions {
    /// The largest data of one entry, in bytes: an entry lies in one frame, a frame in one file.
    pub fn entry_bytes_max(&self) -> u64 {
        self.file_bytes / 4 * 3
    }
}

/// When an entry counts as persisted. Hard states are always flushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// Flushed: power loss cannot take it.
    #[default]
    Disk,
    /// The direct write has completed: survives the process, not power loss.
    Written,
    /// In memory; written in the background.
    Memory,
}

/// Settings of one group; may change at any time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupConfig {
    pub durability: Durability,
    /// A segment is rolled before it would exceed this (but a batch is never cut).
    pub segment_bytes_max: u64,
    /// A segment is rolled when its first record is this old.
    pub segment_age_max: Duration,
    /// None keeps any amount.
    pub retention_bytes: Option<u64>,
    /// None keeps for ever.
    pub retention_age: Option<Duration>,
    /// None keeps every record of a key.
    pub compaction: Option<CompactionConfig>,
}

/// How a group is compacted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompactionConfig {
    /// A record stays at least this long.
    pub lag_min: Duration,
    /// A record is looked at once it is this old, whatever the share of others; None is never.
    pub lag_max: Option<Duration>,
    /// A pass begins when more than this share of the bytes was never looked at, in millionths.
    pub dirty_ppm_min: u32,
    /// How long a tombstone, or the marker of a transaction of which nothing is left, stays after
    /// the pass that found it.
    pub delete_retention: Duration,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            durability: Durability::Disk,
            segment_bytes_max: 1 << 30,
            segment_age_max: Duration::from_secs(7 * 24 * 3600),
            retention_bytes: None,
            retention_age: Some(Duration::from_secs(7 * 24 * 3600)),
            compaction: None,
        }
    }
}
