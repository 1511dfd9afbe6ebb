//! The handle, which is a stream.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corelog_base::{Offset, PartitionIndex};
use futures_core::Stream;

use super::buffered::Consumed;
use super::state::State;
use crate::error::closed;
use crate::offsets::Position;
use crate::{Error, Kind};

/// Reads partitions of one topic, as a stream without an end. Records of a partition come in its
/// order.
///
/// After an error the stream goes on: what may pass is tried again, from the next record on. Errors
/// that are not told again and again, such as an unknown topic, come once in
/// [`crate::Builder::retry_for`].
///
/// Records of transactions come when they are written, or once they are committed, see
/// [`crate::Isolation`]; the marks that end transactions do not come.
pub struct Consumer {
    state: State,
    /// Records of the batch that is being read.
    current: VecDeque<Consumed>,
    /// Where its partition goes on behind it.
    current_next: Option<(PartitionIndex, Offset)>,
}

impl Consumer {
    pub(super) fn new(state: State) -> Self {
        Self {
            state,
            current: VecDeque::new(),
            current_next: None,
        }
    }

    /// The next record; waits for it.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// See [`Consumer`]: the next call goes on.
    pub async fn next(&mut self) -> Result<Consumed, Error> {
        std::future::poll_fn(|context| self.poll_record(context)).await
    }

    /// The next record's batch, or what is left of it: at least one record.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// See [`Consumer::next`].
    pub async fn next_batch(&mut self) -> Result<Vec<Consumed>, Error> {
        std::future::poll_fn(|context| self.poll_batch(context)).await?;
        self.settle_position();
        Ok(std::mem::take(&mut self.current).into())
    }

    fn poll_record(&mut self, context: &mut Context<'_>) -> Poll<Result<Consumed, Error>> {
        ready!(self.poll_batch(context))?;
        let Some(record) = self.current.pop_front() else {
            return Poll::Ready(Err(closed()));
        };
        match self.current.is_empty() {
            true => self.settle_position(),
            false => self.set_position(record.partition, record.offset.plus(1)),
        }
        Poll::Ready(Ok(record))
    }

    /// Ready once `current` has a record.
    fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if !self.current.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if self.read_buffered()? {
                continue;
            }
            match ready!(self.state.events.poll_recv(context)) {
                Some(event) => self.state.take(event)?,
                None => return Poll::Ready(Err(closed())),
            }
        }
    }

    /// Reads the next batch that is buffered; false if none is.
    fn read_buffered(&mut self) -> Result<bool, Error> {
        let Some(first) = self.state.buffered.front_mut() else {
            return Ok(false);
        };
        let partition = first.partition;
        let from = self.state.cursors.get(&partition).map(|c| c.position);
        let limit = self.state.options.decompressed_bytes_max;
        let from = from.unwrap_or_default();
        let batch = match first.next(from, limit) {
            Ok(Some(batch)) => batch,
            Ok(None) => {
                if let Some(first) = self.state.buffered.pop_front() {
                    self.state.done_with(&first)?;
                }
                return Ok(true);
            }
            // It stays where it is, and says so again, until the caller seeks.
            Err(error) => {
                self.state.seek(partition, from)?;
                return Err(error);
            }
        };
        self.current = batch.records.into();
        self.current_next = Some((partition, batch.next));
        if self.current.is_empty() {
            self.settle_position();
        }
        Ok(true)
    }

    /// The batch was read: its partition goes on behind it.
    fn settle_position(&mut self) {
        if let Some((partition, next)) = self.current_next.take() {
            self.set_position(partition, next);
        }
    }

    fn set_position(&mut self, partition: PartitionIndex, to: Offset) {
        if let Some(cursor) = self.state.cursors.get_mut(&partition) {
            cursor.position = to;
        }
    }

    /// The offset of the next record of a partition; none if it is not read. What an application
    /// stores to go on later.
    pub fn position(&self, partition: PartitionIndex) -> Option<Offset> {
        let cursor = self.state.cursors.get(&partition)?;
        Some(cursor.position)
    }

    /// The positions in all partitions that are read; see
    /// [`crate::ConsumerBuilder::positions`].
    pub fn positions(&self) -> BTreeMap<PartitionIndex, Offset> {
        let cursors = self.state.cursors.values();
        cursors.map(|c| (c.partition, c.position)).collect()
    }

    /// The offset behind the last record that may be read, as of the partition's last records to
    /// come; none before the first.
    pub fn high_watermark(&self, partition: PartitionIndex) -> Option<Offset> {
        self.state.cursors.get(&partition)?.high_watermark
    }

    /// The offset of the first record that is kept, likewise.
    pub fn log_start(&self, partition: PartitionIndex) -> Option<Offset> {
        self.state.cursors.get(&partition)?.log_start
    }

    /// Goes on elsewhere in one partition.
    ///
    /// # Errors
    /// `Invalid` for a partition that is not read; those of [`crate::Client::offsets`].
    pub async fn seek(&mut self, partition: PartitionIndex, to: Position) -> Result<(), Error> {
        self.seek_all(BTreeMap::from([(partition, to)])).await
    }

    /// Goes on elsewhere in some partitions.
    ///
    /// # Errors
    /// As [`Consumer::seek`]: then nothing has changed.
    pub async fn seek_all(
        &mut self,
        positions: BTreeMap<PartitionIndex, Position>,
    ) -> Result<(), Error> {
        let cursors = &self.state.cursors;
        if let Some(other) = positions.keys().find(|p| !cursors.contains_key(p)) {
            let context = format!("partition {other} is not read by this consumer");
            return Err(Error::new(Kind::Invalid, context));
        }
        let found = self.state.look_up(&positions).await?;
        for (partition, offset) in found {
            self.current.retain(|record| record.partition != partition);
            if self.current_next.is_some_and(|(of, _)| of == partition) {
                self.current_next = None;
            }
            self.state.seek(partition, offset)?;
        }
        Ok(())
    }
}

impl Stream for Consumer {
    type Item = Result<Consumed, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_record(context).map(Some)
    }
}
