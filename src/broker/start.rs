//! Opening a core's broker, in two steps: its log is opened (after which a changed placement may
//! be committed), then its groups are brought up and it serves.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corelog_base::{GroupId, LogIndex, NodeId, Offset, ProducerId};
use corelog_cluster::{Image, Local};
use corelog_log::{
    AbortedRange, Checkpoint, Checkpoints, Entries, EntriesPlan, LastOf, Log, Options,
    RestoredGroup, Share,
};
use corelog_rt::mesh::MeshEnd;
use corelog_rt::{Credits, Gate, Notify, Runtime, Shared, WeakShared};

use crate::handle::{Broker, Inner, LANE_CREDITS, Peers};
use crate::message::Message;
use crate::pending::Pending;
use crate::shard::job::DISK_TURNS;
use crate::shard::{Identity, METADATA_CORE, Shard};

/// How often replicas of more than one voter hear the clock.
const TICK: Duration = Duration::from_millis(50);
/// How often retention, expiry and the like are looked after.
const UPKEEP: Duration = Duration::from_secs(1);
const METADATA_LOST: &str = "the metadata is lost: nothing of it is left in the journals or in \
    segments; restore the data directory from a copy, or take what is sound out of it with \
    `corelog log salvage`";

/// How much of the metadata's log is read at a time when it is replayed.
pub(crate) const REPLAY_BYTES_MAX: u32 = 4 << 20;

/// A core's ends of the lanes to all others, before it has started.
pub struct Lanes(MeshEnd<Message>);

/// The lanes between `cores` cores, one end a core; each lane holds at most `parcels_max` parcels.
///
/// # Panics
/// If either is 0.
pub fn lanes(cores: u16, parcels_max: usize) -> Vec<Lanes> {
    let ends = corelog_rt::mesh::build(cores, parcels_max);
    ends.into_iter().map(Lanes).collect()
}

/// What a core's broker is made of.
pub struct Setup {
    pub node: NodeId,
    pub cores: u16,
    /// Of the replicas' randomness.
    pub seed: u64,
    pub log: Options,
    pub share: Share,
    pub mesh: Lanes,
    pub peers: Box<dyn Peers>,
    /// This node's own configuration: a layer of every topic's settings.
    pub local: Arc<Local>,
    /// The replicas of the metadata group, in a new cluster.
    pub metadata_voters: Vec<corelog_base::Replica>,
    /// `Scan::is_incomplete`: groups may be missing from the shares.
    pub scan_incomplete: bool,
    /// This node has served before: there is metadata, and a start without it must stop.
    pub metadata_expected: bool,
}

/// A core whose log is open and that does not serve yet.
pub struct Opened<R: Runtime> {
    inner: Rc<Inner<R>>,
    mesh: MeshEnd<Message>,
    restored: Vec<RestoredGroup>,
    metadata_expected: bool,
}

impl<R: Runtime> Broker<R> {
    /// Opens the core's log. Nothing new is promised before [`Opened::start`].
    ///
    /// # Errors
    /// What the log says.
    pub async fn open(rt: R, setup: Setup) -> Result<Opened<R>, corelog_log::Error> {
        let restored = setup.share.groups().to_vec();
        let source = CheckpointSource(Shared::new(None));
        let checkpoints = Box::new(source.clone());
        let log = Log::open(rt.clone(), setup.log, setup.share, checkpoints).await?;
        let identity = Identity {
            node: setup.node,
            cores: setup.cores,
            metadata_voters: setup.metadata_voters,
            scan_incomplete: setup.scan_incomplete,
            local: Arc::clone(&setup.local),
        };
        let shard = Shard::new(rt.clone(), log.clone(), setup.seed, identity);
        let shard = Shared::new(shard);
        source.0.with(|source| *source = Some(shard.downgrade()));
        let inner = Rc::new(Inner {
            rt,
            node: setup.node,
            local: setup.local,
            cores: setup.cores,
            log,
            shard,
            mesh: Shared::new(None),
            pending: Shared::new(Pending::default()),
            lanes: (0..setup.cores)
                .map(|_| Credits::new(LANE_CREDITS))
                .collect(),
            peers: setup.peers,
            proposals: Notify::new(),
            disk_turns: Credits::new(DISK_TURNS),
            gate: Gate::new(),
        });
        Ok(Opened {
            inner,
            mesh: setup.mesh.0,
            restored,
            metadata_expected: setup.metadata_expected,
        })
    }
}

impl<R: Runtime> Opened<R> {
    /// Starts the core's tasks and brings up its groups. Core 0 replays the metadata first and
    /// tells the others; [`Broker::ready`] says when all is up.
    ///
    /// # Errors
    /// Damaged or lost metadata, on core 0: the boot must stop.
    pub async fn start(self) -> Result<Broker<R>, String> {
        let Opened {
            inner,
            mesh,
            restored,
            metadata_expected,
        } = self;
        let replay = if inner.rt.core() == METADATA_CORE {
            let found = restored.iter().find(|g| g.group == GroupId::METADATA);
            if found.is_none() && metadata_expected {
                // Taken for a new cluster, every topic of the old one would be gone.
                return Err(METADATA_LOST.into());
            }
            Some(replay(&inner, found).await?)
        } else {
            None
        };
        let receiver = Rc::clone(&inner);
        let mesh = mesh.attach(&inner.rt, move |from, parcel| {
            receiver.receive(from, parcel)
        });
        inner.mesh.with(|slot| *slot = Some(mesh));
        inner.shard.with(|shard| shard.stash(restored));
        spawn_tasks(&inner);
        if let Some(replay) = replay {
            inner.run(|shard, fx| shard.control(replay, fx));
        }
        Ok(Broker(inner))
    }
}

/// The metadata as the log holds it: the image, and the last entry in it.
pub(crate) struct Replay {
    pub(crate) image: Image,
    pub(crate) applied: LogIndex,
    pub(crate) restored: Option<RestoredGroup>,
}

/// Reads the settled part of the metadata's log; what follows comes again as committed entries.
async fn replay<R: Runtime>(
    inner: &Rc<Inner<R>>,
    restored: Option<&RestoredGroup>,
) -> Result<Replay, String> {
    let mut image = Image::new(inner.local.clone());
    let Some(group) = restored else {
        return Ok(Replay {
            image,
            applied: LogIndex(0),
            restored: None,
        });
    };
    if let Some(damage) = group.damage.first() {
        return Err(format!(
            "the metadata is damaged from index {} on: restore the data directory from a copy",
            damage.first
        ));
    }
    let end = group.settled.index.next();
    let mut next = group.start.index;
    while next < end {
        let found = inner
            .log
            .entries(GroupId::METADATA, next, end, REPLAY_BYTES_MAX);
        let entries = match found.map_err(|e| e.to_string())? {
            Entries::Ready(entries) => entries,
            Entries::Disk(plan) => run(plan, &inner.log).await?,
        };
        let Some(last) = entries.last() else {
            return Err(format!("the metadata's log ends before index {end}"));
        };
        next = last.index.next();
        for entry in &entries {
            crate::shard::apply_entry(&mut image, entry)?;
        }
    }
    Ok(Replay {
        image,
        applied: group.settled.index,
        restored: Some(group.clone()),
    })
}

async fn run<R: Runtime>(
    plan: EntriesPlan,
    log: &Log<R>,
) -> Result<Vec<corelog_base::Entry>, String> {
    plan.run(log).await.map_err(|error| error.to_string())
}

fn spawn_tasks<R: Runtime>(inner: &Rc<Inner<R>>) {
    let core = Rc::clone(inner);
    inner.rt.spawn(async move {
        loop {
            let events = core.log.events().await;
            core.run(|shard, fx| shard.log_events(events, fx));
        }
    });
    let core = Rc::clone(inner);
    inner.rt.spawn(async move {
        loop {
            core.proposals.notified().await;
            core.run(|shard, fx| shard.flush(fx));
        }
    });
    let core = Rc::clone(inner);
    inner.rt.spawn(async move {
        loop {
            core.rt.sleep(TICK).await;
            core.run(|shard, fx| shard.tick(fx));
        }
    });
    let core = Rc::clone(inner);
    inner.rt.spawn(async move {
        loop {
            core.rt.sleep(UPKEEP).await;
            core.run(|shard, fx| shard.upkeep(fx));
        }
    });
}

impl<R: Runtime> Broker<R> {
    /// Waits until this core's groups have leaders that know what is committed, as far as this
    /// node can tell: every lone replica is elected, and the metadata has been applied.
    pub async fn ready(&self) {
        loop {
            let notify = self.0.shard.with(|shard| match shard.boot.is_ready() {
                true => None,
                false => Some(shard.boot.became_ready.clone()),
            });
            match notify {
                None => return,
                Some(notify) => notify.notified().await,
            }
        }
    }

    /// Refuses new requests, waits for those in flight, flushes the log and closes it. What was
    /// acknowledged is safe without this; it makes the next start quick.
    ///
    /// # Errors
    /// What the log says.
    pub async fn stop(&self) -> Result<(), corelog_log::Error> {
        self.0.gate.close().await;
        self.0.log.close().await
    }

    /// What this core's log and shard have done.
    pub fn stats(&self) -> Stats {
        let log = self.0.log.core_stats();
        self.0.shard.with(|shard| Stats {
            log,
            shard: shard.counters,
            groups: shard.groups.len() as u64,
        })
    }
}

/// Figures of one core, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    pub log: corelog_log::CoreStats,
    pub shard: crate::Counters,
    /// Replicas on this core.
    pub groups: u64,
}

/// Gives the log the committed producer state of its groups. Empty until the shard is made, and
/// once it is gone: the shard owns the log, so the log may not own the shard.
struct CheckpointSource<R: Runtime>(Shared<Option<WeakShared<Shard<R>>>>);

impl<R: Runtime> Clone for CheckpointSource<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: Runtime> Checkpoints for CheckpointSource<R> {
    fn checkpoint(&self, group: GroupId) -> Option<Checkpoint> {
        let shard = self.0.with(|shard| shard.clone())?.upgrade()?;
        shard.with(|shard| shard.checkpoint(group))
    }

    fn aborted(&self, group: GroupId, from: Offset, upto: Offset) -> Vec<AbortedRange> {
        let shard = self.0.with(|shard| shard.clone()).and_then(|s| s.upgrade());
        shard.map_or_else(Vec::new, |shard| {
            shard.with(|shard| shard.aborted_ranges(group, from, upto))
        })
    }

    fn last_of(&self, group: GroupId, producer: ProducerId) -> Option<LastOf> {
        let shard = self.0.with(|shard| shard.clone())?.upgrade()?;
        shard.with(|shard| shard.last_of(group, producer))
    }
}
