//! Records back into state.

use corelog_base::{LeaderEpoch, TimestampMs};
use corelog_wire::kafka::internal::{GroupMetadataValue, OffsetCommitKey, OffsetCommitValue};

use super::classic::Classic;
use super::group::{Group, Members};
use super::offsets::Offset;
use super::{Committed, Groups};
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
        let group = group.or_insert_with(|| Group::classic(key.group, at.wall));
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
        let classic = match value {
            Some(value) => Classic::restore(id, &GroupMetadataValue::decode(value)?),
            None => Classic::new(id, at.wall),
        };
        let group = self.groups.entry(id.to_owned());
        let group = group.or_insert_with(|| Group::classic(id, at.wall));
        group.members = Members::Classic(classic);
        Ok(())
    }
}
