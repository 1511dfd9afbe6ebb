//! Where a configuration's value comes from, by Kafka's numbers, which both protocols use.

/// Where a configuration's value comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigSource {
    /// Set for the topic.
    Topic,
    /// Set for one broker.
    Broker,
    /// Set for all brokers of the cluster.
    AllBrokers,
    /// The broker's file or command line.
    BrokerFile,
    Default,
    /// By a number that is not known here.
    Other(i8),
}

impl ConfigSource {
    pub fn from_number(number: i8) -> Self {
        match number {
            1 => Self::Topic,
            2 => Self::Broker,
            3 => Self::AllBrokers,
            4 => Self::BrokerFile,
            5 => Self::Default,
            other => Self::Other(other),
        }
    }

    /// The name in Kafka's own tools.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topic => "DYNAMIC_TOPIC_CONFIG",
            Self::Broker => "DYNAMIC_BROKER_CONFIG",
            Self::AllBrokers => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::BrokerFile => "STATIC_BROKER_CONFIG",
            Self::Default => "DEFAULT_CONFIG",
            Self::Other(_) => "UNKNOWN",
        }
    }
}
