//! The broker in memory, and what tests do with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::{Partition, Topic};
use corelog_wire::native::{Api, ApiRange};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::log::Log;
use super::peer::Peer;
use crate::{Builder, Client};

pub(crate) const TOPIC: &str = "t";
pub(super) const ID: [u8; 16] = [7; 16];
const WAIT: Duration = Duration::from_secs(20);

/// What becomes of the next batches that are produced, one each.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Fate {
    /// Written and answered.
    Sound,
    Refused(ErrorCode),
    /// The connection breaks before it is written.
    Lost,
    /// It is written, and the connection breaks before the answer.
    Unanswered,
}

#[derive(Default)]
pub(crate) struct State {
    pub(super) logs: BTreeMap<i32, Log>,
    pub(super) ports: Vec<u16>,
    pub fates: VecDeque<Fate>,
    /// Partitions are owned by the core of their index and this, by turns.
    pub shift: i32,
    pub ranges: Vec<ApiRange>,
    /// Answers to Produce are held back.
    pub held: bool,
    /// Versions and counts of parts of the Produces that came.
    pub produces: Vec<(u16, usize)>,
    /// Cores and credits of subscriptions.
    pub subscribed: Vec<(u16, u64)>,
    /// What subscriptions have sent.
    pub sent_bytes: usize,
    pub(super) next_producer: i64,
}

pub(crate) struct Fake {
    pub state: Arc<Mutex<State>>,
    pub changed: Arc<Notify>,
    broken: Arc<Notify>,
    tasks: JoinSet<()>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What must come soon, comes.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT, what).await.expect("it comes")
}

impl Fake {
    pub(crate) async fn start(cores: usize, partitions: i32) -> Self {
        let mut fake = Self {
            state: Arc::new(Mutex::new(State {
                logs: (0..partitions).map(|p| (p, Log::default())).collect(),
                ranges: ranges(2),
                ..State::default()
            })),
            changed: Arc::new(Notify::new()),
            broken: Arc::new(Notify::new()),
            tasks: JoinSet::new(),
        };
        for core in 0..cores {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            lock(&fake.state)
                .ports
                .push(listener.local_addr().unwrap().port());
            let peer = Peer {
                state: Arc::clone(&fake.state),
                changed: Arc::clone(&fake.changed),
                broken: Arc::clone(&fake.broken),
                core: u16::try_from(core).unwrap(),
            };
            fake.tasks.spawn(async move {
                let mut peers = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    peers.spawn(peer.clone().serve(stream));
                }
            });
        }
        fake
    }

    pub(crate) fn builder(&self) -> Builder {
        let port = lock(&self.state).ports[0];
        let ms = Duration::from_millis;
        Client::builder()
            .bootstrap(format!("127.0.0.1:{port}"))
            .backoff(ms(1), ms(20))
            .retry_for(ms(2000))
    }

    pub(crate) async fn client(&self) -> Client {
        self.builder().connect().await.unwrap()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_waiters();
    }

    /// All connections break.
    pub(crate) fn break_all(&self) {
        self.broken.notify_waiters();
    }

    /// The batches of a partition.
    pub(crate) fn batches(&self, partition: i32) -> Vec<Bytes> {
        lock(&self.state).logs[&partition].batches.clone()
    }

    pub(crate) fn truncate_front(&self, partition: i32, start: i64) {
        self.change(|state| {
            let log = state.logs.get_mut(&partition).unwrap();
            log.start = start;
        });
    }

    /// Waits until the state is as it should be.
    pub(crate) async fn until(&self, is: impl Fn(&State) -> bool) {
        soon(async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if is(&lock(&self.state)) {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }
}

impl State {
    pub(super) fn core_of(&self, partition: i32) -> u16 {
        let cores = i32::try_from(self.ports.len()).unwrap();
        u16::try_from((partition + self.shift) % cores).unwrap()
    }

    pub(super) fn topic(&self) -> Topic {
        let partitions = self.logs.keys().map(|index| Partition {
            index: *index,
            leader: 3,
            epoch: 1,
            core: self.core_of(*index),
        });
        Topic {
            name: TOPIC.into(),
            id: ID,
            error: 0,
            partitions: partitions.collect(),
        }
    }

    pub(super) fn named(&self, name: &str) -> Topic {
        match name == TOPIC {
            true => self.topic(),
            false => Topic {
                name: name.into(),
                id: [0; 16],
                error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0,
                partitions: vec![],
            },
        }
    }

    pub(crate) fn add_partition(&mut self) {
        let next = i32::try_from(self.logs.len()).unwrap();
        self.logs.insert(next, Log::default());
    }
}

/// What the fake speaks: the first version of everything, and of Produce up to this one.
pub(crate) fn ranges(produce_max: u16) -> Vec<ApiRange> {
    let each = Api::ALL.into_iter().map(|api| ApiRange {
        max: match api {
            Api::Produce => produce_max,
            _ => 1,
        },
        ..api.range()
    });
    each.collect()
}
