//! One core's log: the journal, the segments, and what is read from them.
//!
//! Owns every byte under `DIR/journal` and `DIR/topics` (see `docs/formats.md`, *Disk*). Each core
//! has one [`Log`], generic over the runtime; nothing in it crosses a thread but [`Share`], which
//! a [`scan`] hands out at boot. `append` is synchronous and fills the pending journal frame; the
//! log's own task writes frames, and [`Log::events`] says what became durable.
//!
//! It decides nothing about consensus, offsets or producers: it stores entries in the order in
//! which it was told, and never acknowledges what is not as durable as asked.

mod ahead;
mod around;
mod bulk;
mod cache;
mod codec;
mod compact;
mod core;
mod error;
mod frame;
mod group;
mod journal;
mod judge;
mod leftovers;
mod log;
mod map;
mod map_codec;
mod open;
mod options;
mod own;
#[cfg(feature = "planted")]
pub mod planted;
mod read;
mod record;
mod reference;
mod release;
mod remains;
mod replay;
mod rewrite;
mod salvage;
mod scan;
mod scan_journal;
mod scan_segments;
mod seek;
mod segment;
mod settle;
mod settler;
mod start_at;
mod trim;
mod types;
mod unflushed;
mod unit;
mod verify;
mod writer;
mod written;

pub use error::{Error, Kind};
pub use log::Log;
pub use options::{
    BulkOptions, CompactionConfig, Durability, GroupConfig, JournalOptions, Options,
};
pub use read::{Entries, EntriesPlan, Read, ReadPlan};
pub use salvage::{Salvaged, salvage};
pub use scan::{Scan, Share, retire, scan, scan_reporting};
pub use types::{
    AbortedRange, Checkpoint, Checkpoints, CompactionStats, CoreStats, DamagedRange, Event,
    GroupStats, JournalId, LastOf, NoCheckpoints, Position, RestoredGroup, TermStart,
};
pub use verify::{Finding, dump, verify};
