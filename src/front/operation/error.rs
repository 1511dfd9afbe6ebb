//! The one place where what the rooms below say becomes Kafka's numbers, which both protocols use.

use corelog_broker::Error;
use corelog_cluster::ConfigSource;
use corelog_wire::kafka::ErrorCode;

/// The code of a broker's refusal.
pub(crate) fn code(error: &Error) -> ErrorCode {
    match error {
        Error::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Error::UnknownTopicId => ErrorCode::UNKNOWN_TOPIC_ID,
        Error::NotLeader { .. } => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        Error::EpochFenced => ErrorCode::FENCED_LEADER_EPOCH,
        Error::EpochUnknown => ErrorCode::UNKNOWN_LEADER_EPOCH,
        Error::OffsetOutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        Error::OffsetNotAvailable => ErrorCode::OFFSET_NOT_AVAILABLE,
        Error::NotEnoughReplicas => ErrorCode::NOT_ENOUGH_REPLICAS,
        Error::NotEnoughReplicasAfterAppend => ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        // Clients take a storage error for "nothing was appended", and this one for "perhaps".
        Error::TimedOut | Error::Stalled => ErrorCode::REQUEST_TIMED_OUT,
        Error::ProducerFenced => ErrorCode::INVALID_PRODUCER_EPOCH,
        Error::SequenceGap => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        Error::SequenceForgotten => ErrorCode::DUPLICATE_SEQUENCE_NUMBER,
        Error::NotInTransaction | Error::OutsideTransaction => ErrorCode::INVALID_TXN_STATE,
        Error::CoordinatorFenced => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        Error::TransactionsFull => ErrorCode::KAFKA_STORAGE_ERROR,
        Error::InvalidBatch(_) => ErrorCode::INVALID_RECORD,
        Error::TooLarge => ErrorCode::MESSAGE_TOO_LARGE,
        // Retriable, as a full disk must be: appends go on by themselves once there is room.
        Error::Storage(_) | Error::DiskFull => ErrorCode::KAFKA_STORAGE_ERROR,
        Error::NotController { .. } => ErrorCode::NOT_CONTROLLER,
        // Retriable, and makes the client look for the leader elsewhere.
        Error::Stopping => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        Error::Cluster(error) => cluster_code(error.kind),
    }
}

/// The number of where a configuration's value comes from.
pub(crate) fn source_number(source: ConfigSource) -> i8 {
    match source {
        ConfigSource::DynamicTopic => 1,
        ConfigSource::DynamicBroker => 2,
        ConfigSource::DynamicDefaultBroker => 3,
        ConfigSource::StaticBroker => 4,
        ConfigSource::Default => 5,
    }
}

fn cluster_code(kind: corelog_cluster::Kind) -> ErrorCode {
    use corelog_cluster::Kind;
    match kind {
        Kind::InvalidTopic => ErrorCode::INVALID_TOPIC_EXCEPTION,
        Kind::TopicExists => ErrorCode::TOPIC_ALREADY_EXISTS,
        Kind::UnknownTopic => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Kind::UnknownTopicId => ErrorCode::UNKNOWN_TOPIC_ID,
        Kind::InvalidPartitions => ErrorCode::INVALID_PARTITIONS,
        Kind::InvalidReplicationFactor => ErrorCode::INVALID_REPLICATION_FACTOR,
        Kind::InvalidReplicaAssignment => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        Kind::InvalidConfig => ErrorCode::INVALID_CONFIG,
        Kind::InvalidRequest => ErrorCode::INVALID_REQUEST,
        Kind::PolicyViolation => ErrorCode::POLICY_VIOLATION,
        Kind::DeletionDisabled => ErrorCode::TOPIC_DELETION_DISABLED,
        Kind::Malformed => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}

/// The code of a coordinator's refusal.
pub(crate) fn coordinator_code(error: corelog_coordinator::Error) -> ErrorCode {
    use corelog_coordinator::Error;
    match error {
        Error::Loading => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        Error::NotCoordinator => ErrorCode::NOT_COORDINATOR,
        // As Kafka answers where the append of a coordinator takes too long.
        Error::Unavailable | Error::TimedOut => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        Error::InvalidRequest => ErrorCode::INVALID_REQUEST,
        Error::InvalidGroupId => ErrorCode::INVALID_GROUP_ID,
        Error::UnknownMember => ErrorCode::UNKNOWN_MEMBER_ID,
        Error::IllegalGeneration => ErrorCode::ILLEGAL_GENERATION,
        Error::RebalanceInProgress => ErrorCode::REBALANCE_IN_PROGRESS,
        Error::InconsistentProtocol => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        Error::InvalidSessionTimeout => ErrorCode::INVALID_SESSION_TIMEOUT,
        Error::GroupFull => ErrorCode::GROUP_MAX_SIZE_REACHED,
        Error::FencedInstance => ErrorCode::FENCED_INSTANCE_ID,
        Error::OffsetMetadataTooLarge => ErrorCode::OFFSET_METADATA_TOO_LARGE,
        Error::GroupNotFound => ErrorCode::GROUP_ID_NOT_FOUND,
        Error::NonEmptyGroup => ErrorCode::NON_EMPTY_GROUP,
        Error::SubscribedTopic => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        Error::UnstableOffset => ErrorCode::UNSTABLE_OFFSET_COMMIT,
        Error::FencedMemberEpoch => ErrorCode::FENCED_MEMBER_EPOCH,
        Error::StaleMemberEpoch => ErrorCode::STALE_MEMBER_EPOCH,
        Error::UnreleasedInstance => ErrorCode::UNRELEASED_INSTANCE_ID,
        Error::UnsupportedAssignor => ErrorCode::UNSUPPORTED_ASSIGNOR,
        Error::InvalidRegularExpression => ErrorCode::INVALID_REGULAR_EXPRESSION,
        Error::InvalidRecordState => ErrorCode::INVALID_RECORD_STATE,
        Error::ProducerFenced => ErrorCode::PRODUCER_FENCED,
        Error::UnknownProducer => ErrorCode::INVALID_PRODUCER_ID_MAPPING,
        Error::TransactionalIdNotFound => ErrorCode::TRANSACTIONAL_ID_NOT_FOUND,
        Error::InvalidTransactionTimeout => ErrorCode::INVALID_TRANSACTION_TIMEOUT,
        Error::InvalidTransactionState => ErrorCode::INVALID_TXN_STATE,
        Error::ConcurrentTransactions => ErrorCode::CONCURRENT_TRANSACTIONS,
        Error::NotInTransaction => ErrorCode::TRANSACTION_ABORTABLE,
    }
}

/// The code of a batch that is refused.
pub(crate) fn batch_code(kind: corelog_record::Kind) -> ErrorCode {
    use corelog_record::Kind;
    match kind {
        Kind::Truncated | Kind::Checksum | Kind::Length => ErrorCode::CORRUPT_MESSAGE,
        Kind::Magic | Kind::Count | Kind::Codec | Kind::NullKey | Kind::Producer => {
            ErrorCode::INVALID_RECORD
        }
        Kind::TooLarge => ErrorCode::MESSAGE_TOO_LARGE,
        Kind::Timestamp => ErrorCode::INVALID_TIMESTAMP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use corelog_base::LeaderEpoch;

    #[test]
    fn clients_branch_on_these_numbers() {
        let moved = Error::NotLeader {
            leader: None,
            epoch: LeaderEpoch::UNKNOWN,
        };
        for (error, expected) in [
            (moved, 6),
            (Error::TimedOut, 7),
            (Error::NotEnoughReplicas, 19),
            (Error::NotEnoughReplicasAfterAppend, 20),
            (Error::SequenceGap, 45),
            (Error::SequenceForgotten, 46),
            (Error::ProducerFenced, 47),
            (Error::TooLarge, 10),
            (Error::Storage("damaged".into()), 56),
            (Error::DiskFull, 56),
            (Error::Stalled, 7),
            (Error::EpochFenced, 74),
            (Error::EpochUnknown, 75),
            (Error::OffsetNotAvailable, 78),
            (Error::UnknownTopicId, 100),
        ] {
            assert_eq!(code(&error).0, expected, "{error}");
        }
    }
}
