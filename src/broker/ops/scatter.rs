//! Operations that ask every owning core once and put the answers in the order of the parts.

use std::rc::Rc;
use std::time::Duration;

use corelog_base::{CoreId, GroupId, Offset};
use corelog_rt::Runtime;

use super::produce::spread;
use crate::api::{
    EpochFound, EpochPart, OffsetFound, OffsetPart, PartitionKey, PartitionSize, ProducerInfo,
    TrimPart,
};
use crate::handle::Inner;
use crate::message::{EpochItem, OffsetItem, Reply, Request, TrimItem};
use crate::{Broker, Error, Outcomes, Result};

/// How long an owning core may take for these operations; they read at most a few blocks.
const ANSWER_MAX: Duration = Duration::from_secs(30);

impl<R: Runtime> Broker<R> {
    /// Offsets by position or time, from the partitions' leaders.
    pub async fn list_offsets(&self, parts: Vec<OffsetPart>) -> Outcomes<OffsetFound> {
        let keyed = parts.into_iter().map(|part| {
            (part.key, move |group| OffsetItem {
                group,
                isolation: part.isolation,
                leader_epoch: part.leader_epoch,
                query: part.query,
            })
        });
        let replied = |reply| match reply {
            Reply::Offsets(outcomes) => outcomes,
            _ => unreachable!("an offsets request is answered by offsets"),
        };
        scatter(&self.0, keyed.collect(), Request::Offsets, replied).await
    }

    /// Where leader epochs end (KIP-320).
    pub async fn epoch_ends(&self, parts: Vec<EpochPart>) -> Outcomes<EpochFound> {
        let keyed = parts.into_iter().map(|part| {
            (part.key, move |group| EpochItem {
                group,
                current: part.current,
                asked: part.asked,
            })
        });
        let replied = |reply| match reply {
            Reply::Epochs(outcomes) => outcomes,
            _ => unreachable!("an epochs request is answered by epochs"),
        };
        scatter(&self.0, keyed.collect(), Request::Epochs, replied).await
    }

    /// Moves log starts forward (DeleteRecords). Answers the new starts once they are committed.
    pub async fn trim(&self, parts: Vec<TrimPart>) -> Outcomes<Offset> {
        let keyed = parts.into_iter().map(|part| {
            (part.key, move |group| TrimItem {
                group,
                before: part.before,
            })
        });
        let replied = |reply| match reply {
            Reply::Trim(outcomes) => outcomes,
            _ => unreachable!("a trim request is answered by log starts"),
        };
        scatter(&self.0, keyed.collect(), Request::Trim, replied).await
    }

    /// The idempotent producers that partitions remember.
    pub async fn producers(&self, parts: Vec<PartitionKey>) -> Outcomes<Vec<ProducerInfo>> {
        let keyed = parts.into_iter().map(|key| (key, |group| group));
        let replied = |reply| match reply {
            Reply::Producers(outcomes) => outcomes,
            _ => unreachable!("a producers request is answered by producers"),
        };
        scatter(&self.0, keyed.collect(), Request::Producers, replied).await
    }

    /// The size of every partition on this broker.
    pub async fn sizes(&self) -> Result<Vec<PartitionSize>> {
        let mut all = Vec::new();
        for core in (0..self.0.cores).map(CoreId) {
            match self.0.ask_within(core, Request::Sizes, ANSWER_MAX).await? {
                Reply::Sizes(sizes) => all.extend(sizes),
                _ => unreachable!("a sizes request is answered by sizes"),
            }
        }
        all.sort_by_key(|size| size.key);
        Ok(all)
    }
}

impl<R: Runtime> Inner<R> {
    /// The group of a partition and the core that owns it.
    pub(crate) fn route(&self, key: PartitionKey) -> Result<(GroupId, CoreId)> {
        if self.stopping() {
            return Err(Error::Stopping);
        }
        let group = self.shard.with(|shard| shard.group_of(key))?;
        Ok((group, self.owner(group)))
    }
}

/// Asks each owning core once for its parts. `make` turns a part's group into the item asked.
pub(super) async fn scatter<R: Runtime, I, T>(
    inner: &Rc<Inner<R>>,
    parts: Vec<(PartitionKey, impl FnOnce(GroupId) -> I)>,
    request: impl Fn(Vec<I>) -> Request,
    replied: impl Fn(Reply) -> Outcomes<T>,
) -> Outcomes<T> {
    let mut outcomes: Vec<Option<Result<T>>> = Vec::new();
    let mut planned: Vec<(Vec<usize>, Vec<I>)> = Vec::new();
    planned.resize_with(usize::from(inner.cores), Default::default);
    for (index, (key, make)) in parts.into_iter().enumerate() {
        match inner.route(key) {
            Ok((group, core)) => {
                let (indexes, items) = &mut planned[usize::from(core.0)];
                indexes.push(index);
                items.push(make(group));
                outcomes.push(None);
            }
            Err(error) => outcomes.push(Some(Err(error))),
        }
    }
    for (core, (indexes, items)) in (0u16..).zip(planned) {
        if items.is_empty() {
            continue;
        }
        let asked = inner.ask_within(CoreId(core), request(items), ANSWER_MAX);
        let reply = asked.await.map(&replied);
        spread(&mut outcomes, &indexes, reply);
    }
    let all = outcomes.into_iter();
    all.map(|outcome| outcome.expect("every part was refused or visited"))
        .collect()
}
