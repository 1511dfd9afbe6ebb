//! What a consumer is to read, and how.

use std::time::Duration;

use corelog_base::{Offset, TimestampMs};

use crate::{Isolation, TopicPartition};

/// Bounds and habits of a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    pub isolation: Isolation,
    /// How long a broker may wait for `fetch_bytes_min`.
    pub fetch_wait: Duration,
    pub fetch_bytes_min: i32,
    /// Of one answer; a batch that is larger comes all the same.
    pub fetch_bytes_max: i32,
    pub partition_bytes_max: i32,
    /// What is fetched ahead, in all, before partitions wait for the caller.
    pub buffered_bytes_max: usize,
    /// Of one batch.
    pub decompressed_bytes_max: usize,
    pub out_of_range: OutOfRange,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            isolation: Isolation::Uncommitted,
            fetch_wait: Duration::from_millis(500),
            fetch_bytes_min: 1,
            fetch_bytes_max: 50 << 20,
            partition_bytes_max: 1 << 20,
            buffered_bytes_max: 64 << 20,
            decompressed_bytes_max: 128 << 20,
            out_of_range: OutOfRange::Fail,
        }
    }
}

/// What to do when the position is not in the partition any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutOfRange {
    Fail,
    Earliest,
    Latest,
}

/// Where a partition is read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    Offset(Offset),
    Earliest,
    Latest,
    /// The first record at or after a time; the end if all are older.
    Time(TimestampMs),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    pub partition: TopicPartition,
    pub start: Start,
}
