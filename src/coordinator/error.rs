//! Why a coordinator did not do what was asked. The door translates; nothing here is Kafka's
//! number.

use std::fmt;

macro_rules! errors {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Error {
            $($(#[$meta])* $name,)*
        }

        impl fmt::Display for Error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Error::$name => $text,)*
                })
            }
        }
    };
}

errors! {
    /// The state is still being read. Retriable.
    Loading = "the coordinator is loading its state";
    /// Another broker coordinates, or what was to be stored got lost. Retriable, after asking for
    /// the coordinator.
    NotCoordinator = "this broker does not coordinate it";
    /// It cannot be served now: no topic, no room, or this broker is stopping. Retriable.
    Unavailable = "the coordinator cannot serve it now";
    /// Not done in time. It may still happen.
    TimedOut = "not done in time; it may still happen";
    /// The request contradicts itself.
    InvalidRequest = "the request is not valid";
    InvalidGroupId = "the group's id is not valid";
    UnknownMember = "the group has no such member";
    IllegalGeneration = "the group is in another generation";
    RebalanceInProgress = "the group is rebalancing: join again";
    InconsistentProtocol = "the member has no protocol in common with the group";
    InvalidSessionTimeout = "the session timeout is out of bounds";
    GroupFull = "the group has as many members as it may have";
    /// Another member has taken the static member's place.
    FencedInstance = "another member has taken the place of this static member";
    OffsetMetadataTooLarge = "what is committed with the offset is too large";
    GroupNotFound = "there is no such group";
    NonEmptyGroup = "the group has members";
    /// Members of the group subscribe to the topic.
    SubscribedTopic = "members of the group subscribe to the topic";
    /// A transaction has yet to decide. Retriable.
    UnstableOffset = "a transaction has yet to decide about the offset";
    /// A member of KIP-848 with an epoch that is too old or too new: it must join again.
    FencedMemberEpoch = "the member's epoch is fenced: it must join again";
    /// A member of KIP-848 with an older epoch: it must take up its newer one.
    StaleMemberEpoch = "the member's epoch is stale";
    /// A static member of the same instance is still there.
    UnreleasedInstance = "the instance is held by another member";
    UnsupportedAssignor = "there is no such assignor";
    InvalidRegularExpression = "the regular expression is not valid";
    /// The member does not hold the records.
    InvalidRecordState = "the member does not hold these records";
    /// The transactional id does not belong to this producer id.
    UnknownProducer = "the transactional id has another producer, or none";
    TransactionalIdNotFound = "there is no such transactional id";
    InvalidTransactionTimeout = "the transaction's timeout is out of bounds";
    InvalidTransactionState = "the transaction's state does not allow it";
    /// The end of the last transaction is still on its way. Retriable.
    ConcurrentTransactions = "the producer's last transaction has yet to complete";
    NotInTransaction = "the partition is not in the transaction: abort it";
    /// A producer of a transaction with an older epoch.
    ProducerFenced = "a newer incarnation of the producer has written";
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;
