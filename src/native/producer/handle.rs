//! The handle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use corelog_base::TimestampMs;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::ack::Ack;
use super::builder::Options;
use super::open::Open;
use super::record::Record;
use crate::error::closed;
use crate::{Error, Kind};

/// What a record takes in memory beside its bytes.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// What handles and the driver share.
pub(super) struct Shared {
    open: Mutex<Open>,
    pub room: Arc<Semaphore>,
    pub room_bytes: u32,
    /// There is something to send, or nobody is left to send anything.
    pub wake: Notify,
    pub abandoned: AtomicBool,
    /// A batch was settled.
    settled: Notify,
}

impl Shared {
    pub(super) fn new(partitions: usize, options: &Options) -> Self {
        let room = usize::try_from(options.buffer_bytes).unwrap_or(usize::MAX);
        Self {
            open: Mutex::new(Open::new(partitions, options.codec, options.batch_bytes)),
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            room_bytes: options.buffer_bytes,
            wake: Notify::new(),
            abandoned: AtomicBool::new(false),
            settled: Notify::new(),
        }
    }

    pub(super) fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settled(&self, ids: &[u64]) {
        if !ids.is_empty() {
            self.open().settled(ids);
            self.settled.notify_waiters();
        }
    }

    /// Nobody sends any more.
    pub(super) fn end(&self) {
        self.room.close();
        self.open().clear();
        self.settled.notify_waiters();
    }
}

/// Writes records to one topic. Clones share it.
///
/// When the last clone is dropped, what was handed over is still sent; [`Producer::close`] waits for
/// that. If the runtime ends, acknowledgements that are awaited say `Closed`.
#[derive(Clone)]
pub struct Producer {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Release);
        self.shared.wake.notify_one();
    }
}

impl Producer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            handle: Arc::new(Handle { shared }),
        }
    }

    /// Hands a record over, waiting for room in the buffer. It is then sent whatever becomes of the
    /// [`Ack`], which resolves when it is written. Records of one partition are written in the order
    /// of these calls.
    ///
    /// Cancel-safe: a call that is dropped while it waits has handed nothing over.
    ///
    /// # Errors
    /// `Invalid` for a record that no buffer holds, or a partition that the topic does not have.
    pub async fn send(&self, record: Record) -> Result<Ack, Error> {
        let shared = &self.handle.shared;
        let bytes = record.bytes();
        let held = self.held(bytes)?;
        let room = match Arc::clone(&shared.room).try_acquire_many_owned(held) {
            Ok(room) => room,
            Err(TryAcquireError::Closed) => return Err(closed()),
            Err(TryAcquireError::NoPermits) => {
                let room = Arc::clone(&shared.room).acquire_many_owned(held).await;
                room.map_err(|_| closed())?
            }
        };
        self.push(&record, bytes, room)
    }

    /// Like [`Producer::send`], but does not wait.
    ///
    /// # Errors
    /// None without room: the record was not handed over.
    pub fn try_send(&self, record: &Record) -> Result<Option<Ack>, Error> {
        let bytes = record.bytes();
        let held = self.held(bytes)?;
        match Arc::clone(&self.handle.shared.room).try_acquire_many_owned(held) {
            Ok(room) => self.push(record, bytes, room).map(Some),
            Err(TryAcquireError::NoPermits) => Ok(None),
            Err(TryAcquireError::Closed) => Err(closed()),
        }
    }

    fn held(&self, bytes: usize) -> Result<u32, Error> {
        let held = u32::try_from(bytes.saturating_add(RECORD_OVERHEAD_BYTES)).ok();
        held.filter(|held| *held <= self.handle.shared.room_bytes)
            .ok_or_else(|| Error::new(Kind::Invalid, "the record is larger than the buffer"))
    }

    fn push(
        &self,
        record: &Record,
        bytes: usize,
        room: OwnedSemaphorePermit,
    ) -> Result<Ack, Error> {
        let shared = &self.handle.shared;
        let (ack, tell) = shared.open().push(record, bytes, now(), room)?;
        if tell {
            shared.wake.notify_one();
        }
        Ok(ack)
    }

    /// Waits until every record handed over so far is written or given up.
    pub async fn flush(&self) {
        let shared = &self.handle.shared;
        let last = shared.open().last_id();
        loop {
            let settled = shared.settled.notified();
            tokio::pin!(settled);
            // From here on no settlement is missed.
            settled.as_mut().enable();
            if shared.open().is_settled_up_to(last) {
                return;
            }
            settled.await;
        }
    }

    /// Waits until everything is written or given up, and ends. Clones can send on.
    pub async fn close(self) {
        self.flush().await;
    }
}

/// The wall clock.
fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |time| time.as_millis());
    TimestampMs(i64::try_from(millis).unwrap_or(i64::MAX))
}
