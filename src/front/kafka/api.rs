//! The table of what this door serves, and the way from a frame to its handler.

use std::future::ready;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use corelog_rt::Runtime;
use corelog_wire::kafka::{ApiKey, ApiVersion, ApiVersionsResponse, Encoder, ErrorCode};

use super::call::{Call, Head};
use super::context::Context;
use super::handlers;
use crate::connection::{Frame, Order, Reply, Response, Service, Started, Task};

/// What begins to answer a call.
type Start<R> = fn(Call<R>) -> Task<Started>;

/// One API. It says nothing of the runtime: who only looks it up builds none of the handlers.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) key: ApiKey,
    /// Versions served.
    pub(super) versions: RangeInclusive<i16>,
    /// Memory that the handler takes beyond the frame.
    pub(super) estimate: Estimate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Estimate {
    /// So many times the frame's length.
    Frames(u64),
    /// The frame's length, and what the whole metadata takes.
    Image,
    /// The handler takes what it needs once it knows what is asked, and nothing before.
    Handler,
}

/// A handler that answers when it is done.
macro_rules! whole {
    ($handler:path) => {
        |call| {
            Box::pin(async move {
                let credit = call.admit().await;
                Started::Done(match $handler(&call).await {
                    Ok(reply) => reply.holding(credit),
                    Err(malformed) => call.refuse(&malformed),
                })
            })
        }
    };
}

/// Makes the table, and the handlers in the same order.
macro_rules! table {
    ($($key:ident $versions:expr, $estimate:expr, $start:expr;)*) => {
        impl Api {
            /// Sorted by key.
            pub(super) const TABLE: &'static [Api] = &[$(Api {
                key: ApiKey::$key,
                versions: $versions,
                estimate: $estimate,
            },)*];
        }

        impl<R: Runtime> Requests<R> {
            const STARTS: &'static [Start<R>] = &[$($start,)*];
        }
    };
}

table! {
    Produce 3..=13, Estimate::Frames(0), handlers::produce::start;
    Fetch 4..=18, Estimate::Frames(4), handlers::fetch::start;
    ListOffsets 1..=11, Estimate::Frames(4), whole!(handlers::list_offsets::handle);
    Metadata 0..=13, Estimate::Image, whole!(handlers::metadata::handle);
    OffsetCommit 2..=10, Estimate::Frames(6), whole!(handlers::offset_commit::handle);
    OffsetFetch 1..=10, Estimate::Frames(8), whole!(handlers::offset_fetch::handle);
    FindCoordinator 0..=6, Estimate::Frames(8), whole!(handlers::find_coordinator::handle);
    JoinGroup 0..=9, Estimate::Frames(0), whole!(handlers::join_group::handle);
    Heartbeat 0..=4, Estimate::Frames(2), whole!(handlers::heartbeat::handle);
    LeaveGroup 0..=5, Estimate::Frames(4), whole!(handlers::leave_group::handle);
    SyncGroup 0..=5, Estimate::Frames(0), whole!(handlers::sync_group::handle);
    DescribeGroups 0..=6, Estimate::Frames(8), whole!(handlers::describe_groups::handle);
    ListGroups 0..=5, Estimate::Image, whole!(handlers::list_groups::handle);
    ApiVersions 0..=4, Estimate::Frames(1), whole!(handlers::api_versions::handle);
    CreateTopics 2..=7, Estimate::Frames(8), whole!(handlers::create_topics::handle);
    DeleteTopics 1..=6, Estimate::Frames(8), whole!(handlers::delete_topics::handle);
    DeleteRecords 0..=2, Estimate::Frames(4), whole!(handlers::delete_records::handle);
    InitProducerId 0..=5, Estimate::Frames(1), whole!(handlers::init_producer_id::handle);
    OffsetForLeaderEpoch 2..=4, Estimate::Frames(4),
        whole!(handlers::offset_for_leader_epoch::handle);
    AddPartitionsToTxn 0..=5, Estimate::Frames(4),
        whole!(handlers::add_partitions_to_txn::handle);
    AddOffsetsToTxn 0..=4, Estimate::Frames(2), whole!(handlers::transactions::add_offsets);
    EndTxn 0..=5, Estimate::Frames(2), whole!(handlers::transactions::end);
    WriteTxnMarkers 1..=2, Estimate::Frames(8), whole!(handlers::write_txn_markers::handle);
    TxnOffsetCommit 0..=5, Estimate::Frames(6), whole!(handlers::txn_offset_commit::handle);
    DescribeConfigs 1..=4, Estimate::Handler, whole!(handlers::describe_configs::handle);
    AlterConfigs 0..=2, Estimate::Frames(4), whole!(handlers::alter_configs::handle);
    DescribeLogDirs 1..=4, Estimate::Image, whole!(handlers::describe_log_dirs::handle);
    CreatePartitions 0..=3, Estimate::Frames(8), whole!(handlers::create_partitions::handle);
    DeleteGroups 0..=2, Estimate::Frames(8), whole!(handlers::delete_groups::handle);
    ElectLeaders 0..=2, Estimate::Image, whole!(handlers::elect_leaders::handle);
    IncrementalAlterConfigs 0..=1, Estimate::Frames(4),
        whole!(handlers::alter_configs::handle_incremental);
    AlterPartitionReassignments 0..=1, Estimate::Frames(8),
        whole!(handlers::reassignments::alter);
    ListPartitionReassignments 0..=0, Estimate::Frames(1),
        whole!(handlers::reassignments::list);
    OffsetDelete 0..=0, Estimate::Frames(8), whole!(handlers::offset_delete::handle);
    DescribeClientQuotas 0..=1, Estimate::Frames(1), whole!(handlers::describe_users::quotas);
    DescribeUserScramCredentials 0..=0, Estimate::Frames(16),
        whole!(handlers::describe_users::scram);
    DescribeQuorum 0..=2, Estimate::Frames(32), whole!(handlers::describe_quorum::handle);
    DescribeCluster 0..=2, Estimate::Image, whole!(handlers::describe_cluster::handle);
    DescribeProducers 0..=0, Estimate::Frames(16), whole!(handlers::describe_producers::handle);
    DescribeTransactions 0..=0, Estimate::Frames(8),
        whole!(handlers::list_transactions::describe);
    ListTransactions 0..=2, Estimate::Image, whole!(handlers::list_transactions::list);
    ConsumerGroupHeartbeat 0..=1, Estimate::Frames(4),
        whole!(handlers::consumer_group_heartbeat::handle);
    ConsumerGroupDescribe 0..=1, Estimate::Frames(8),
        whole!(handlers::consumer_group_describe::handle);
    ListConfigResources 0..=1, Estimate::Image,
        whole!(handlers::list_config_resources::handle);
    DescribeTopicPartitions 0..=0, Estimate::Image,
        whole!(handlers::describe_topic_partitions::handle);
    ShareGroupHeartbeat 1..=1, Estimate::Frames(4),
        whole!(handlers::share_group::heartbeat);
    ShareGroupDescribe 1..=1, Estimate::Frames(8), whole!(handlers::share_group::describe);
    ShareFetch 1..=2, Estimate::Frames(0), whole!(handlers::share_fetch::handle);
    ShareAcknowledge 1..=2, Estimate::Frames(4), whole!(handlers::share_acknowledge::handle);
    DescribeShareGroupOffsets 0..=1, Estimate::Frames(8),
        whole!(handlers::share_offsets::describe);
    AlterShareGroupOffsets 0..=0, Estimate::Frames(8), whole!(handlers::share_offsets::alter);
    DeleteShareGroupOffsets 0..=0, Estimate::Frames(8), whole!(handlers::share_offsets::delete);
}

impl Api {
    /// The API and its place in the table, if it is served at this version.
    fn at(key: i16, version: i16) -> Option<(usize, &'static Api)> {
        let place = Self::TABLE.binary_search_by_key(&key, |api| api.key.number());
        let place = place.ok()?;
        let api = Self::TABLE.get(place)?;
        api.versions.contains(&version).then_some((place, api))
    }

    pub(super) fn of(key: i16, version: i16) -> Option<&'static Api> {
        Self::at(key, version).map(|(_, api)| api)
    }
}

/// What ApiVersions lists: exactly what is served, but for Produce, which is told from 0. Older
/// librdkafka concludes from that which codecs there are; frames of versions 0 to 2 are refused.
pub(super) fn advertised() -> Vec<ApiVersion> {
    let row = |api: &Api| ApiVersion {
        api_key: api.key.number(),
        min_version: match api.key {
            ApiKey::Produce => 0,
            _ => *api.versions.start(),
        },
        max_version: *api.versions.end(),
    };
    Api::TABLE.iter().map(row).collect()
}

/// What one connection's requests are given to.
pub(super) struct Requests<R: Runtime> {
    context: Rc<Context<R>>,
    peer: SocketAddr,
}

impl<R: Runtime> Requests<R> {
    pub(super) fn new(context: Rc<Context<R>>, peer: SocketAddr) -> Self {
        Self { context, peer }
    }

    fn refuse(&self, head: Option<Head>) -> Reply {
        match head {
            Some(head) if head.key == ApiKey::ApiVersions.number() => unsupported(head),
            Some(head) => {
                let (key, version) = (head.key, head.version);
                tracing::warn!(peer = %self.peer, key, version, "an API that is not served: closed");
                Reply::Close
            }
            None => {
                tracing::warn!(peer = %self.peer, "a request without a header: closed");
                Reply::Close
            }
        }
    }
}

/// The answer to ApiVersions at a version that is not served: at version 0, with the range that
/// is. Clients try again with it (KIP-511).
pub(super) fn unsupported(head: Head) -> Reply {
    let versions = ApiKey::ApiVersions.versions();
    let own = [ApiVersion {
        api_key: ApiKey::ApiVersions.number(),
        min_version: *versions.start(),
        max_version: *versions.end(),
    }];
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: own[..].into(),
        ..Default::default()
    };
    let mut encoder = Encoder::response(ApiKey::ApiVersions, 0, head.correlation_id);
    response.encode(0, &mut encoder);
    match encoder.finish() {
        Ok(parts) => Reply::Send(Response {
            parts,
            credit: None,
            throttle: Duration::ZERO,
        }),
        Err(_) => Reply::Close,
    }
}

impl<R: Runtime> Service for Requests<R> {
    fn order(&self, frame: &[u8]) -> Order {
        match frame.first_chunk() {
            Some(key) if i16::from_be_bytes(*key) == ApiKey::Produce.number() => Order::Overlaps,
            _ => Order::Alone,
        }
    }

    fn start(&self, frame: Frame) -> Task<Started> {
        let head = Head::of(&frame.bytes).ok();
        let served = head.and_then(|head| Some((head, Api::at(head.key, head.version)?)));
        match served {
            Some((head, (place, api))) => {
                let context = Rc::clone(&self.context);
                Self::STARTS[place](Call::new(context, self.peer, api, head, frame))
            }
            None => Box::pin(ready(Started::Done(self.refuse(head)))),
        }
    }
}
