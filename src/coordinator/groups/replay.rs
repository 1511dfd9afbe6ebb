//! Records back into state.

use corelog_base::{LeaderEpoch, TimestampMs};
use corelog_wire::kafka::internal::{
    GroupMetadataValue, OffsetCommitKey, OffsetCommitValue, OffsetsKey,
};

use super::classic::Classic;
use super::consumer;
use super::group::{Group, Members};
use super::offsets::Offset;
use super::{Committed, Groups, share_records};
use crate::{At, Replayed};

impl Groups {
    pub(super) fn replay_offset(
        &mut self,
        at: &At<'_>,
        key: &OffsetCommitKey<'_>,
        record: &Replayed<'_>,
    ) -> std::result::Result<(), corelog_wire::Error> {
        let Some(value) = record.value else {
            if let Some(group) = self.groups.get_mut(key.group) {
                group.offsets.remove(key.topic, key.partition);
            }
            return Ok(());
        };
        let value = OffsetCommitValue::decode(value)?;
        self.commits += 1;
        let offset = Offset {
            committed: Committed {
                offset: corelog_base::Offset(value.offset),
                leader_epoch: LeaderEpoch(value.leader_epoch),
                metadata: value.metadata.to_owned(),
            },
            time: TimestampMs(value.commit_timestamp),
            expires: TimestampMs(value.expire_timestamp),
            topic: value.topic_id,
            place: self.commits,
        };
        let group = self.groups.entry(key.group.to_owned());
        let group = group.or_insert_with(|| Group::new(key.group, at.wall));
        let Some(producer) = record.producer else {
            group.offsets.set(key.topic, key.partition, offset);
            return Ok(());
        };
        let offsets = &mut group.offsets;
        offsets.set_pending(producer.id, key.topic, key.partition, offset);
        let groups = self.producers.entry(producer.id).or_default();
        groups.insert(key.group.to_owned());
        Ok(())
    }

    pub(super) fn replay_classic(
        &mut self,
        at: &At<'_>,
        id: &str,
        value: Option<&[u8]>,
    ) -> std::result::Result<(), corelog_wire::Error> {
        let group = self.groups.entry(id.to_owned());
        let group = group.or_insert_with(|| Group::new(id, at.wall));
        match (&group.members, value) {
            (_, Some(value)) => {
                let value = GroupMetadataValue::decode(value)?;
                group.members = Members::Classic(Classic::restore(id, &value));
            }
            (Members::Classic(_), None) => {
                group.members = Members::Classic(Classic::new(id, at.wall));
            }
            // The group of KIP-848 that followed it.
            (Members::Consumer(_) | Members::Share(_), None) => {}
        }
        Ok(())
    }

    pub(super) fn replay_other(
        &mut self,
        at: &At<'_>,
        key: &OffsetsKey<'_>,
        value: Option<&[u8]>,
    ) -> std::result::Result<(), corelog_wire::Error> {
        let (of_consumers, of_shares) = (consumer::group_of(key), share_records::group_of(key));
        let Some(id) = of_consumers.or(of_shares) else {
            return Ok(());
        };
        let group = self.groups.entry(id.to_owned());
        let group = group.or_insert_with(|| Group::new(id, at.wall));
        match of_shares {
            Some(_) => group.replay_share(key, value, at.wall),
            None => group.replay_consumer(key, value, at.wall),
        }
    }
}
