//! Reading records within the memory that all connections share.

use std::time::Duration;

use corelog_broker::{Broker, Error, FetchPart, FetchRequest, Fetched, Isolation, Outcomes};
use corelog_rt::{Credit, Credits, Runtime};

/// The most that one response carries, whatever the client permits; less where memory is short.
const RESPONSE_BYTES_MAX: u64 = 8 << 20;
/// What a long poll that waits for more than is its own may read when it wakes, and how long it
/// may wait.
const WOKEN_BYTES_MAX: u64 = 1 << 20;
const WOKEN_WAIT_MAX: Duration = Duration::from_millis(500);
/// What every response may carry without asking the pool: the connection's own.
pub(crate) const OWN_BYTES: u64 = 64 << 10;

/// A request of this size, decoded, is the connection's own memory too while it waits: four times
/// its length. A larger one, for hundreds of partitions, waits on memory that all share.
const OWN_REQUEST_BYTES: u64 = 16 << 10;
const LARGE_WAIT_MAX: Duration = Duration::from_millis(100);
/// A long poll waits at most this, so that nothing is held for hours by a client's mistake.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Who reads, and the memory for records on their way out.
pub(crate) struct Memory<'a, R: Runtime> {
    pub(crate) broker: &'a Broker<R>,
    pub(crate) records: &'a Credits,
}

fn bytes_of(found: &Outcomes<Fetched>) -> u64 {
    found.iter().flatten().map(Fetched::bytes).sum()
}

pub(crate) struct Read {
    pub(crate) isolation: Isolation,
    pub(crate) parts: Vec<Result<FetchPart, Error>>,
    pub(crate) wait_max: Duration,
    pub(crate) bytes_min: u64,
    pub(crate) bytes_max: u64,
}

impl Read {
    /// Reads what is there; if that is too little, waits for more. Who waits holds no memory that
    /// others need, unless it is for much at once, and then for a moment only.
    pub(crate) async fn run<R: Runtime>(
        &self,
        memory: &Memory<'_, R>,
        wait_limit: Duration,
    ) -> (Outcomes<Fetched>, Option<Credit>) {
        let (found, allowance) = self.read_now(memory).await;
        let bytes = bytes_of(&found);
        let is_enough = bytes >= self.bytes_min.min(allowance.bytes);
        let is_final = self.parts.is_empty() || found.iter().any(Result::is_err);
        if is_enough || is_final || self.wait_max.is_zero() {
            return (found, allowance.credit);
        }
        drop((found, allowance));
        self.follow(memory, wait_limit).await
    }

    /// As [`Read::run`], for who expects that nothing is there yet: it waits at once.
    pub(crate) async fn follow<R: Runtime>(
        &self,
        memory: &Memory<'_, R>,
        wait_limit: Duration,
    ) -> (Outcomes<Fetched>, Option<Credit>) {
        let (allowance, wait_max) = match self.bytes_min {
            ..=OWN_BYTES => (Allowance::own(self.bytes_max), wait_limit),
            _ => {
                let bytes = self.bytes_max.min(WOKEN_BYTES_MAX);
                let wait_max = wait_limit.min(WOKEN_WAIT_MAX);
                (Allowance::take(memory.records, bytes), wait_max)
            }
        };
        let found = self
            .read(memory, self.wait_max.min(wait_max), &allowance)
            .await;
        let covered = match allowance.credit {
            Some(_) => allowance.bytes,
            None => OWN_BYTES / 2,
        };
        if bytes_of(&found) <= covered {
            return (found, allowance.credit);
        }
        // There may be more than was permitted.
        drop((found, allowance));
        let (found, allowance) = self.read_now(memory).await;
        (found, allowance.credit)
    }

    async fn read_now<R: Runtime>(&self, memory: &Memory<'_, R>) -> (Outcomes<Fetched>, Allowance) {
        let allowance = Allowance::take(memory.records, self.bytes_max.min(RESPONSE_BYTES_MAX));
        self.read_covered(memory, allowance).await
    }

    /// Reads what the allowance permits. Where the first batch is larger and comes all the same,
    /// it is let go, and read again once there is memory for it: it would be held for as long as
    /// the client pleases.
    async fn read_covered<R: Runtime>(
        &self,
        memory: &Memory<'_, R>,
        allowance: Allowance,
    ) -> (Outcomes<Fetched>, Allowance) {
        let found = self.read(memory, Duration::ZERO, &allowance).await;
        let bytes = bytes_of(&found);
        if bytes <= allowance.bytes.max(OWN_BYTES) {
            return (found, allowance);
        }
        drop((found, allowance));
        let covered = Allowance::wait(memory.records, bytes).await;
        let found = self.read(memory, Duration::ZERO, &covered).await;
        (found, covered)
    }

    async fn read<R: Runtime>(
        &self,
        memory: &Memory<'_, R>,
        wait_max: Duration,
        allowance: &Allowance,
    ) -> Outcomes<Fetched> {
        let request = FetchRequest {
            isolation: self.isolation,
            wait_max,
            bytes_min: self.bytes_min.min(allowance.bytes),
            bytes_max: allowance.bytes,
            parts: self.parts.iter().flatten().copied().collect(),
        };
        let mut read = memory.broker.fetch(request).await.into_iter();
        let outcomes = self.parts.iter().map(|part| match part {
            Ok(_) => read.next().unwrap_or(Err(Error::Stopping)),
            Err(error) => Err(error.clone()),
        });
        outcomes.collect()
    }
}

/// How long a poll may wait for records, and what it holds meanwhile of the memory that all share.
pub(crate) struct Patience {
    pub(crate) wait_max: Duration,
    /// Until the answer is there.
    _work: Option<Credit>,
}

impl Patience {
    /// A small request waits on the connection's own memory, so that any number of them may; a
    /// large one holds what others need.
    pub(crate) fn of(body_bytes: u64, work: Credit) -> Patience {
        match body_bytes {
            ..=OWN_REQUEST_BYTES => Patience {
                wait_max: WAIT_MAX,
                _work: None,
            },
            _ => Patience {
                wait_max: LARGE_WAIT_MAX,
                _work: Some(work),
            },
        }
    }
}

/// How much a response may carry, and the memory for it. The first batch of a response comes
/// even if it exceeds this.
pub(crate) struct Allowance {
    pub(crate) bytes: u64,
    pub(crate) credit: Option<Credit>,
}

impl Allowance {
    /// As much of `wanted` as is free, never waiting.
    pub(crate) fn take(records: &Credits, wanted: u64) -> Allowance {
        let mut bytes = wanted;
        while bytes > OWN_BYTES {
            if let Some(credit) = records.try_take(bytes) {
                return Allowance {
                    bytes,
                    credit: Some(credit),
                };
            }
            bytes /= 2;
        }
        Allowance::own(wanted)
    }

    fn own(wanted: u64) -> Allowance {
        Allowance {
            bytes: wanted.min(OWN_BYTES),
            credit: None,
        }
    }

    /// All of `bytes`, or all that there is. Who waits holds no records.
    pub(crate) async fn wait(records: &Credits, bytes: u64) -> Allowance {
        Allowance {
            bytes,
            credit: Some(records.take(bytes.min(records.total())).await),
        }
    }
}
