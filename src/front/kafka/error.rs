//! The one place where errors of the rooms below become Kafka's codes.

use corelog_broker::Error;
use corelog_wire::kafka::ErrorCode;

use super::sessions::SessionError;

/// The code of a broker's refusal.
pub(super) fn code(error: &Error) -> ErrorCode {
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
        Error::TimedOut => ErrorCode::REQUEST_TIMED_OUT,
        Error::ProducerFenced => ErrorCode::INVALID_PRODUCER_EPOCH,
        Error::SequenceGap => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        Error::SequenceForgotten => ErrorCode::DUPLICATE_SEQUENCE_NUMBER,
        Error::InvalidBatch(_) => ErrorCode::INVALID_RECORD,
        // Retriable, as a full disk must be: appends go on by themselves once there is room.
        Error::TooLarge => ErrorCode::MESSAGE_TOO_LARGE,
        Error::Storage(_) | Error::DiskFull => ErrorCode::KAFKA_STORAGE_ERROR,
        Error::NotController { .. } => ErrorCode::NOT_CONTROLLER,
        // Retriable, and makes the client look for the leader elsewhere.
        Error::Stopping => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        Error::Cluster(error) => cluster_code(error.kind),
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

/// The code of a batch that is refused.
pub(super) fn batch_code(kind: corelog_record::Kind) -> ErrorCode {
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

pub(super) fn session_code(error: SessionError) -> ErrorCode {
    match error {
        SessionError::NotFound => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        SessionError::WrongEpoch => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        SessionError::TopicIds => ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
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
            (Error::EpochFenced, 74),
            (Error::EpochUnknown, 75),
            (Error::OffsetNotAvailable, 78),
            (Error::UnknownTopicId, 100),
        ] {
            assert_eq!(code(&error).0, expected, "{error}");
        }
    }

    #[test]
    fn a_session_that_is_gone_is_made_anew() {
        assert_eq!(session_code(SessionError::NotFound).0, 70);
        assert_eq!(session_code(SessionError::WrongEpoch).0, 71);
    }
}
