//! Groups: who coordinates them, and who is in them.

use std::time::Duration;

use corelog_base::NodeId;
use corelog_wire::kafka::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, DeleteGroupsRequest, DeleteGroupsResponse,
    DescribeGroupsRequest, DescribeGroupsResponse, ErrorCode, FindCoordinatorRequest,
    FindCoordinatorResponse, ListGroupsRequest, ListGroupsResponse,
    internal::ConsumerProtocolAssignment,
};

use crate::backoff::Backoff;
use crate::error::check;
use crate::{AnyRequest, Client, Error, Kind, Reply, TopicPartition};

/// Of a key that a coordinator is looked for.
pub(crate) const GROUPS: i8 = 0;

/// A group in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedGroup {
    pub id: String,
    pub protocol_type: String,
    /// Empty from brokers before 2.6.
    pub state: String,
    /// `classic`, `consumer` or `share`; empty from brokers before 3.7.
    pub kind: String,
    pub coordinator: NodeId,
}

/// A group with its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedGroup {
    /// `Dead` if there is no such group.
    pub state: String,
    pub kind: &'static str,
    /// The protocol that its members chose, or the assignor.
    pub protocol: String,
    pub coordinator: NodeId,
    pub members: Vec<DescribedMember>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedMember {
    pub id: String,
    pub instance: Option<String>,
    pub client: String,
    pub host: String,
    pub assigned: Vec<TopicPartition>,
}

/// Who commits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMember {
    pub id: String,
    /// Its epoch, or its generation.
    pub epoch: i32,
}

/// What a member of a group is told by a heartbeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupBeat {
    pub epoch: i32,
    pub interval: Duration,
    /// None if it has not changed.
    pub assigned: Option<Vec<TopicPartition>>,
}

pub(crate) fn place(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, corelog_base::PartitionIndex(partition))
}

impl Client {
    /// Who coordinates a group.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or nobody does.
    pub async fn group_coordinator(&self, group: &str) -> Result<NodeId, Error> {
        let mut backoff = Backoff::new(self.options());
        loop {
            let error = match self.coordinator_once(group, GROUPS).await {
                Ok(node) => return Ok(node),
                Err(error) => error,
            };
            self.recover(&mut backoff, error).await?;
        }
    }

    /// `key_type` says whether the key is a group's or a transactional id.
    pub(crate) async fn coordinator_once(&self, key: &str, key_type: i8) -> Result<NodeId, Error> {
        let request = FindCoordinatorRequest {
            key,
            key_type,
            coordinator_keys: vec![key].into(),
        };
        let reply = self.call_any(&request).await?;
        let found: FindCoordinatorResponse<'_> = reply.read()?;
        let (code, node) = match found.coordinators.first() {
            Some(first) => (first.error_code, first.node_id),
            None => (found.error_code, found.node_id),
        };
        check(code, None, || format!("find the coordinator of '{key}'"))?;
        Ok(NodeId(node))
    }

    /// Asks the coordinator of a group, again as long as that may help. `code` is of the whole
    /// answer.
    pub(crate) async fn ask_group(
        &self,
        group: &str,
        request: &dyn AnyRequest,
        code: impl Fn(&Reply) -> Result<ErrorCode, Error>,
    ) -> Result<(NodeId, Reply), Error> {
        let mut backoff = Backoff::new(self.options());
        loop {
            let asked = async {
                let node = self.coordinator_once(group, GROUPS).await?;
                let versions = crate::client::ANY_VERSION;
                let wait = Duration::ZERO;
                let reply = self.call_node(node, versions, request, wait).await?;
                check(code(&reply)?, None, || format!("group '{group}'"))?;
                Ok((node, reply))
            };
            let error = match asked.await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.recover(&mut backoff, error).await?;
        }
    }

    /// Every group of the cluster, by id.
    ///
    /// # Errors
    /// If a broker cannot be asked.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroup>, Error> {
        self.metadata(crate::TopicFilter::None).await?;
        let mut groups = Vec::new();
        for node in self.known().brokers.keys().copied().collect::<Vec<_>>() {
            let mut backoff = Backoff::new(self.options());
            loop {
                match self.list_groups_of(node).await {
                    Ok(found) => break groups.extend(found),
                    Err(error) => backoff.again(error).await?,
                }
            }
        }
        groups.sort_by(|a: &ListedGroup, b| a.id.cmp(&b.id));
        Ok(groups)
    }

    async fn list_groups_of(&self, node: NodeId) -> Result<Vec<ListedGroup>, Error> {
        let request = ListGroupsRequest::default();
        let versions = crate::client::ANY_VERSION;
        let reply = self
            .call_node(node, versions, &request, Duration::ZERO)
            .await?;
        let listed: ListGroupsResponse<'_> = reply.read()?;
        check(listed.error_code, None, || "list groups".to_owned())?;
        let groups = listed.groups.iter().map(|group| ListedGroup {
            id: group.group_id.to_owned(),
            protocol_type: group.protocol_type.to_owned(),
            state: group.group_state.to_owned(),
            kind: group.group_type.to_owned(),
            coordinator: node,
        });
        Ok(groups.collect())
    }

    /// A group of either protocol of consumers, or of another type.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn describe_group(&self, group: &str) -> Result<DescribedGroup, Error> {
        let request = ConsumerGroupDescribeRequest {
            group_ids: vec![group].into(),
            ..Default::default()
        };
        let code = |reply: &Reply| {
            let described: ConsumerGroupDescribeResponse<'_> = reply.read()?;
            Ok(described
                .groups
                .first()
                .map_or(ErrorCode::NONE, |group| group.error_code))
        };
        let missing = |error: &Error| {
            error.kind == Kind::Unsupported || error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND)
        };
        let (coordinator, reply) = match self.ask_group(group, &request, code).await {
            Ok(found) => found,
            Err(error) if missing(&error) => return self.describe_classic(group).await,
            Err(error) => return Err(error),
        };
        let described: ConsumerGroupDescribeResponse<'_> = reply.read()?;
        let described = described.groups.first().unwrap_or_default();
        let members = described.members.iter().map(|member| {
            let topics = member.assignment.topic_partitions.iter();
            DescribedMember {
                id: member.member_id.to_owned(),
                instance: member.instance_id.map(str::to_owned),
                client: member.client_id.to_owned(),
                host: member.client_host.to_owned(),
                assigned: topics
                    .flat_map(|topic| {
                        let name = topic.topic_name;
                        let partitions = topic.partitions.iter().collect::<Vec<_>>();
                        partitions.into_iter().map(move |index| place(name, index))
                    })
                    .collect(),
            }
        });
        Ok(DescribedGroup {
            state: described.group_state.to_owned(),
            kind: "consumer",
            protocol: described.assignor_name.to_owned(),
            coordinator,
            members: members.collect(),
        })
    }

    async fn describe_classic(&self, group: &str) -> Result<DescribedGroup, Error> {
        let request = DescribeGroupsRequest {
            groups: vec![group].into(),
            ..Default::default()
        };
        let code = |reply: &Reply| {
            let described: DescribeGroupsResponse<'_> = reply.read()?;
            let code = described
                .groups
                .first()
                .map_or(ErrorCode::NONE, |group| group.error_code);
            // Told as a state.
            Ok(match code {
                ErrorCode::GROUP_ID_NOT_FOUND => ErrorCode::NONE,
                code => code,
            })
        };
        let (coordinator, reply) = self.ask_group(group, &request, code).await?;
        let described: DescribeGroupsResponse<'_> = reply.read()?;
        let described = described.groups.first().unwrap_or_default();
        let consumers = described.protocol_type == "consumer";
        let members = described.members.iter().map(|member| DescribedMember {
            id: member.member_id.to_owned(),
            instance: member.group_instance_id.map(str::to_owned),
            client: member.client_id.to_owned(),
            host: member.client_host.to_owned(),
            assigned: match consumers {
                true => assigned(member.member_assignment),
                false => Vec::new(),
            },
        });
        Ok(DescribedGroup {
            state: described.group_state.to_owned(),
            kind: "classic",
            protocol: described.protocol_data.to_owned(),
            coordinator,
            members: members.collect(),
        })
    }

    /// Deletes a group that has no members, with all its offsets.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or refuses.
    pub async fn delete_group(&self, group: &str) -> Result<(), Error> {
        let request = DeleteGroupsRequest {
            groups_names: vec![group].into(),
        };
        let code = |reply: &Reply| {
            let deleted: DeleteGroupsResponse<'_> = reply.read()?;
            Ok(deleted
                .results
                .first()
                .map_or(ErrorCode::NONE, |result| result.error_code))
        };
        self.ask_group(group, &request, code).await.map(drop)
    }

    /// One heartbeat of a member of KIP-848: epoch 0 joins, -1 leaves. Not tried again.
    ///
    /// # Errors
    /// What the coordinator says; `Unsupported` from brokers before 4.0.
    pub async fn group_heartbeat(
        &self,
        group: &str,
        member: &GroupMember,
        topics: &[String],
        owned: &[(corelog_base::TopicId, Vec<i32>)],
    ) -> Result<GroupBeat, Error> {
        let rows = owned.iter().map(|(topic_id, partitions)| {
            corelog_wire::kafka::ConsumerGroupHeartbeatTopicPartitions {
                topic_id: *topic_id,
                partitions: partitions.into(),
            }
        });
        let request = ConsumerGroupHeartbeatRequest {
            group_id: group,
            member_id: &member.id,
            member_epoch: member.epoch,
            rebalance_timeout_ms: 60_000,
            subscribed_topic_names: Some(topics.iter().map(String::as_str).collect()),
            topic_partitions: Some(rows.collect()),
            ..Default::default()
        };
        let node = self.coordinator_once(group, GROUPS).await?;
        let versions = crate::client::ANY_VERSION;
        let reply = self
            .call_node(node, versions, &request, Duration::ZERO)
            .await?;
        let told: ConsumerGroupHeartbeatResponse<'_> = reply.read()?;
        check(told.error_code, told.error_message, || {
            format!("group '{group}'")
        })?;
        let known = self.known();
        let interval = u64::try_from(told.heartbeat_interval_ms).unwrap_or(0);
        let assigned = told.assignment.map(|assignment| {
            let mut all = Vec::new();
            for topic in assignment.topic_partitions.iter() {
                let mut topics = known.topics.iter();
                let named = topics.find(|(_, known)| known.id == topic.topic_id);
                let Some((name, _)) = named else { continue };
                all.extend(topic.partitions.iter().map(|index| place(name, index)));
            }
            all
        });
        Ok(GroupBeat {
            epoch: told.member_epoch,
            interval: Duration::from_millis(interval.max(100)),
            assigned,
        })
    }
}

fn assigned(bytes: &[u8]) -> Vec<TopicPartition> {
    let Ok(words) = ConsumerProtocolAssignment::decode(bytes) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for topic in words.assigned_partitions.iter() {
        all.extend(
            topic
                .partitions
                .iter()
                .map(|index| place(topic.topic, index)),
        );
    }
    all
}
