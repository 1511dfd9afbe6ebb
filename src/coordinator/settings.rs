//! What coordinators obey, from the broker's configuration.

use std::time::Duration;

/// All of it, as it stands when a step is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    pub groups: GroupSettings,
    pub shares: ShareSettings,
    pub transactions: TransactionSettings,
}

/// The defaults are Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupSettings {
    /// `group.min.session.timeout.ms`, of classic members.
    pub session_min: Duration,
    /// `group.max.session.timeout.ms`, of classic members.
    pub session_max: Duration,
    /// `group.initial.rebalance.delay.ms`: how long an empty classic group waits for more members.
    pub initial_delay: Duration,
    /// `group.max.size`: members of one group.
    pub members_max: u32,
    /// `offset.metadata.max.bytes`: of what is committed with an offset.
    pub offset_metadata_bytes_max: u32,
    /// `offsets.retention.minutes`: how long offsets outlive their group's last member.
    pub offsets_retention: Duration,
    /// `group.consumer.session.timeout.ms`, of members of KIP-848.
    pub consumer_session: Duration,
    /// `group.consumer.heartbeat.interval.ms`, of members of KIP-848.
    pub consumer_heartbeat: Duration,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            session_min: Duration::from_secs(6),
            session_max: Duration::from_secs(30 * 60),
            initial_delay: Duration::from_secs(3),
            members_max: i32::MAX.unsigned_abs(),
            offset_metadata_bytes_max: 4096,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            consumer_session: Duration::from_secs(45),
            consumer_heartbeat: Duration::from_secs(5),
        }
    }
}

/// Of share groups. The defaults are Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShareSettings {
    /// How long a member may hold a record.
    pub lock: Duration,
    /// After so many deliveries, a record is given up.
    pub deliveries_max: i16,
    /// Records of a partition that are not done with while others after them are.
    pub records_max: u32,
    pub session: Duration,
}

impl Default for ShareSettings {
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(30),
            deliveries_max: 5,
            records_max: 2_000,
            session: Duration::from_secs(45),
        }
    }
}

/// Of transactions. The defaults are Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionSettings {
    /// `transaction.max.timeout.ms`: the longest that a producer may ask for.
    pub timeout_max: Duration,
    /// `transactional.id.expiration.ms`: how long an unused transactional id is kept.
    pub id_expiration: Duration,
}

impl Default for TransactionSettings {
    fn default() -> Self {
        Self {
            timeout_max: Duration::from_secs(15 * 60),
            id_expiration: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}
