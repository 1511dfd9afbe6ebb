//! The APIs: numbers and versions.

use std::fmt;
use std::ops::RangeInclusive;

/// Gives every API with its number, versions, first flexible version and messages to a macro.
/// The one list: what is not in it is not known here. What a broker serves, and says that it
/// serves, is its own choice among these.
macro_rules! with_apis {
    ($callback:ident) => {
        $callback! {
            Produce = 0, 3..=13, flexible 9, ProduceRequest<'a>, ProduceResponse<'a>;
            Fetch = 1, 4..=18, flexible 12, FetchRequest<'a>, FetchResponse<'a>;
            ListOffsets = 2, 1..=11, flexible 6, ListOffsetsRequest<'a>, ListOffsetsResponse<'a>;
            Metadata = 3, 0..=13, flexible 9, MetadataRequest<'a>, MetadataResponse<'a>;
            OffsetCommit = 8, 2..=10, flexible 8, OffsetCommitRequest<'a>, OffsetCommitResponse<'a>;
            OffsetFetch = 9, 1..=10, flexible 6, OffsetFetchRequest<'a>, OffsetFetchResponse<'a>;
            FindCoordinator = 10, 0..=6, flexible 3, FindCoordinatorRequest<'a>, FindCoordinatorResponse<'a>;
            JoinGroup = 11, 0..=9, flexible 6, JoinGroupRequest<'a>, JoinGroupResponse<'a>;
            Heartbeat = 12, 0..=4, flexible 4, HeartbeatRequest<'a>, HeartbeatResponse;
            LeaveGroup = 13, 0..=5, flexible 4, LeaveGroupRequest<'a>, LeaveGroupResponse<'a>;
            SyncGroup = 14, 0..=5, flexible 4, SyncGroupRequest<'a>, SyncGroupResponse<'a>;
            DescribeGroups = 15, 0..=6, flexible 5, DescribeGroupsRequest<'a>, DescribeGroupsResponse<'a>;
            ListGroups = 16, 0..=5, flexible 3, ListGroupsRequest<'a>, ListGroupsResponse<'a>;
            ApiVersions = 18, 0..=4, flexible 3, ApiVersionsRequest<'a>, ApiVersionsResponse<'a>;
            CreateTopics = 19, 2..=7, flexible 5, CreateTopicsRequest<'a>, CreateTopicsResponse<'a>;
            DeleteTopics = 20, 1..=6, flexible 4, DeleteTopicsRequest<'a>, DeleteTopicsResponse<'a>;
            DeleteRecords = 21, 0..=2, flexible 2, DeleteRecordsRequest<'a>, DeleteRecordsResponse<'a>;
            InitProducerId = 22, 0..=5, flexible 2, InitProducerIdRequest<'a>, InitProducerIdResponse;
            OffsetForLeaderEpoch = 23, 2..=4, flexible 4, OffsetForLeaderEpochRequest<'a>, OffsetForLeaderEpochResponse<'a>;
            AddPartitionsToTxn = 24, 0..=5, flexible 3, AddPartitionsToTxnRequest<'a>, AddPartitionsToTxnResponse<'a>;
            AddOffsetsToTxn = 25, 0..=4, flexible 3, AddOffsetsToTxnRequest<'a>, AddOffsetsToTxnResponse;
            EndTxn = 26, 0..=5, flexible 3, EndTxnRequest<'a>, EndTxnResponse;
            WriteTxnMarkers = 27, 1..=2, flexible 1, WriteTxnMarkersRequest<'a>, WriteTxnMarkersResponse<'a>;
            TxnOffsetCommit = 28, 0..=5, flexible 3, TxnOffsetCommitRequest<'a>, TxnOffsetCommitResponse<'a>;
            DescribeConfigs = 32, 1..=4, flexible 4, DescribeConfigsRequest<'a>, DescribeConfigsResponse<'a>;
            AlterConfigs = 33, 0..=2, flexible 2, AlterConfigsRequest<'a>, AlterConfigsResponse<'a>;
            DescribeLogDirs = 35, 1..=4, flexible 2, DescribeLogDirsRequest<'a>, DescribeLogDirsResponse<'a>;
            CreatePartitions = 37, 0..=3, flexible 2, CreatePartitionsRequest<'a>, CreatePartitionsResponse<'a>;
            DeleteGroups = 42, 0..=2, flexible 2, DeleteGroupsRequest<'a>, DeleteGroupsResponse<'a>;
            ElectLeaders = 43, 0..=2, flexible 2, ElectLeadersRequest<'a>, ElectLeadersResponse<'a>;
            IncrementalAlterConfigs = 44, 0..=1, flexible 1, IncrementalAlterConfigsRequest<'a>, IncrementalAlterConfigsResponse<'a>;
            AlterPartitionReassignments = 45, 0..=1, flexible 0, AlterPartitionReassignmentsRequest<'a>, AlterPartitionReassignmentsResponse<'a>;
            ListPartitionReassignments = 46, 0..=0, flexible 0, ListPartitionReassignmentsRequest<'a>, ListPartitionReassignmentsResponse<'a>;
            OffsetDelete = 47, 0..=0, flexible NEVER, OffsetDeleteRequest<'a>, OffsetDeleteResponse<'a>;
            DescribeClientQuotas = 48, 0..=1, flexible 1, DescribeClientQuotasRequest<'a>, DescribeClientQuotasResponse<'a>;
            DescribeUserScramCredentials = 50, 0..=0, flexible 0, DescribeUserScramCredentialsRequest<'a>, DescribeUserScramCredentialsResponse<'a>;
            DescribeQuorum = 55, 0..=2, flexible 0, DescribeQuorumRequest<'a>, DescribeQuorumResponse<'a>;
            DescribeCluster = 60, 0..=2, flexible 0, DescribeClusterRequest, DescribeClusterResponse<'a>;
            DescribeProducers = 61, 0..=0, flexible 0, DescribeProducersRequest<'a>, DescribeProducersResponse<'a>;
            DescribeTransactions = 65, 0..=0, flexible 0, DescribeTransactionsRequest<'a>, DescribeTransactionsResponse<'a>;
            ListTransactions = 66, 0..=2, flexible 0, ListTransactionsRequest<'a>, ListTransactionsResponse<'a>;
            ConsumerGroupHeartbeat = 68, 0..=1, flexible 0, ConsumerGroupHeartbeatRequest<'a>, ConsumerGroupHeartbeatResponse<'a>;
            ConsumerGroupDescribe = 69, 0..=1, flexible 0, ConsumerGroupDescribeRequest<'a>, ConsumerGroupDescribeResponse<'a>;
            ListConfigResources = 74, 0..=1, flexible 0, ListConfigResourcesRequest<'a>, ListConfigResourcesResponse<'a>;
            DescribeTopicPartitions = 75, 0..=0, flexible 0, DescribeTopicPartitionsRequest<'a>, DescribeTopicPartitionsResponse<'a>;
            ShareGroupHeartbeat = 76, 1..=1, flexible 0, ShareGroupHeartbeatRequest<'a>, ShareGroupHeartbeatResponse<'a>;
            ShareGroupDescribe = 77, 1..=1, flexible 0, ShareGroupDescribeRequest<'a>, ShareGroupDescribeResponse<'a>;
            ShareFetch = 78, 1..=2, flexible 0, ShareFetchRequest<'a>, ShareFetchResponse<'a>;
            ShareAcknowledge = 79, 1..=2, flexible 0, ShareAcknowledgeRequest<'a>, ShareAcknowledgeResponse<'a>;
            DescribeShareGroupOffsets = 90, 0..=1, flexible 0, DescribeShareGroupOffsetsRequest<'a>, DescribeShareGroupOffsetsResponse<'a>;
            AlterShareGroupOffsets = 91, 0..=0, flexible 0, AlterShareGroupOffsetsRequest<'a>, AlterShareGroupOffsetsResponse<'a>;
            DeleteShareGroupOffsets = 92, 0..=0, flexible 0, DeleteShareGroupOffsetsRequest<'a>, DeleteShareGroupOffsetsResponse<'a>;
        }
    };
}
#[cfg(test)]
pub(crate) use with_apis;

/// The first flexible version of an API that has none.
pub(crate) const NEVER: i16 = i16::MAX;

macro_rules! define {
    ($($name:ident = $number:literal, $min:literal..=$max:literal, flexible $flexible:expr,
        $request:ident $(<$rl:lifetime>)?, $response:ident $(<$sl:lifetime>)?;)*) => {
        /// An API whose messages are known here, in Kafka's numbering.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(i16)]
        pub enum ApiKey {
            $($name = $number,)*
        }

        impl ApiKey {
            /// Every API, ascending.
            pub const ALL: &'static [ApiKey] = &[$(ApiKey::$name,)*];

            /// The API of a number, if it is known here.
            pub fn of(number: i16) -> Option<ApiKey> {
                match number {
                    $($number => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            /// Versions whose messages are known here.
            pub fn versions(self) -> RangeInclusive<i16> {
                match self {
                    $(ApiKey::$name => $min..=$max,)*
                }
            }

            const fn flexible_from(self) -> i16 {
                match self {
                    $(ApiKey::$name => $flexible,)*
                }
            }
        }
    };
}

with_apis!(define);

impl ApiKey {
    pub fn number(self) -> i16 {
        self as i16
    }

    /// Compact lengths and tagged fields (KIP-482); the request's header has tags too.
    #[inline]
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.flexible_from()
    }

    /// The response's header has tags where the body is flexible, but for ApiVersions (KIP-511).
    pub fn has_response_tags(self, version: i16) -> bool {
        self != ApiKey::ApiVersions && self.is_flexible(version)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}({})", self.number())
    }
}
