//! Transactions at the owning core: where they stand in a partition, and their ends.

use corelog_base::GroupId;
use corelog_partition::Origin;
use corelog_record::BatchHeader;
use corelog_rt::Runtime;

use super::Shard;
use super::group::{Appender, Held};
use super::visits::ItemId;
use crate::api::Standing;
use crate::effects::Effects;
use crate::message::{MarkerItem, Reply, ReplyTo, StandingItem};
use crate::{Error, Result};

impl<R: Runtime> Shard<R> {
    /// Appends markers; each is answered once it is committed.
    pub(super) fn markers(&mut self, to: ReplyTo, items: Vec<MarkerItem>, fx: &mut Effects) {
        let count = u32::try_from(items.len()).expect("a visit's items fit its frame");
        let id = self.produces.open(to, count);
        for (index, item) in (0u32..).zip(items) {
            let now = self.rt.wall();
            let batch = item.marker.batch(item.producer, item.epoch, now);
            let header = BatchHeader::parse(&batch).expect("it was just built");
            let held = Held {
                appender: Appender::Item(ItemId::new(id, index)),
                origin: Origin::Marker(item.marker, item.rule),
                header,
                batch,
                in_sync: true,
            };
            self.append(item.group, held, fx);
        }
    }

    pub(super) fn standings(&mut self, to: ReplyTo, items: &[StandingItem], fx: &mut Effects) {
        let outcomes = items.iter().map(|item| self.standing(item)).collect();
        fx.reply(to, Reply::Standings(outcomes));
    }

    fn standing(&self, item: &StandingItem) -> Result<Standing> {
        let group = self.leading(item.group)?;
        if !group.partition.is_ready() {
            // What earlier leaders have committed is not known yet.
            return Err(self.unsure(item.group));
        }
        Ok(group.partition.standing(item.producer, item.epoch))
    }

    /// Retriable: the leader will know soon.
    fn unsure(&self, id: GroupId) -> Error {
        let epoch = self.leadership(id).epoch;
        Error::NotLeader {
            leader: None,
            epoch,
        }
    }
}
