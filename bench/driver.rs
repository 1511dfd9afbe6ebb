//! The protocols that a broker is driven by: a closed list. What is said here in general, each
//! driver's module does.

use corelog_base::Monotonic;
use serde::Serialize;

use crate::socket::{Framing, Socket};
use crate::tally::Consumed;
use crate::{Error, Settings, kafka, native};

/// A protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    Kafka,
    Native,
}

impl Driver {
    /// As reports name it.
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka's protocol",
            Self::Native => "the native protocol",
        }
    }
}

/// Settings of a topic or broker that decide when a record survives what.
const DURABILITY: [&str; 8] = [
    "durability",
    "corelog.durability",
    "flush.messages",
    "flush.ms",
    "min.insync.replicas",
    "unclean.leader.election.enable",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
];

/// A setting as reports tell it, if it is one of those.
pub(crate) fn durability(
    whose: &str,
    name: &str,
    value: Option<String>,
) -> Option<(String, String)> {
    let value = value.filter(|_| DURABILITY.contains(&name))?;
    Some((format!("{whose} {name}"), value))
}

/// A topic that was found or created, with all that lanes and readers are made from.
#[derive(Debug)]
pub(crate) enum Layout {
    Kafka(kafka::Layout),
    Native(native::Layout),
}

impl Layout {
    pub(crate) fn open(settings: &Settings) -> Result<Self, Error> {
        match settings.target.driver {
            Driver::Kafka => kafka::Layout::open(settings).map(Self::Kafka),
            Driver::Native => native::Layout::open(settings).map(Self::Native),
        }
    }

    /// What the cluster says about how safe a record is, as name and value.
    pub(crate) fn durability(&self) -> &[(String, String)] {
        match self {
            Self::Kafka(layout) => &layout.durability,
            Self::Native(layout) => &layout.durability,
        }
    }

    /// The producing ends, one a connection.
    pub(crate) fn lanes(&self, settings: &Settings, run: u64) -> Result<Vec<Lane>, Error> {
        match self {
            Self::Kafka(layout) => {
                let lanes = layout.lanes(settings, run)?;
                Ok(lanes.into_iter().map(Lane::Kafka).collect())
            }
            Self::Native(layout) => {
                let lanes = layout.lanes(settings, run)?;
                Ok(lanes.into_iter().map(Lane::Native).collect())
            }
        }
    }

    /// The consuming ends, one a connection.
    pub(crate) fn readers(&self, settings: &Settings) -> Result<Vec<Reader>, Error> {
        match self {
            Self::Kafka(layout) => {
                let readers = layout.readers(settings)?;
                Ok(readers.into_iter().map(Reader::Kafka).collect())
            }
            Self::Native(layout) => {
                let readers = layout.readers(settings)?;
                Ok(readers.into_iter().map(Reader::Native).collect())
            }
        }
    }
}

/// The requests and acknowledgements of one producing connection.
#[derive(Debug)]
pub(crate) enum Lane {
    Kafka(kafka::Lane),
    Native(native::Lane),
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Acknowledged,
    /// In the broker's words.
    Refused(String),
}

impl Lane {
    /// Connects, and says what must be said before the first request.
    pub(crate) fn connect(&mut self) -> Result<Socket, Error> {
        match self {
            Self::Kafka(lane) => Socket::connect(lane.address(), Framing::Kafka),
            Self::Native(lane) => lane.connect(),
        }
    }

    /// Hands the next request to the socket, with its send time in the record.
    pub(crate) fn send(&mut self, socket: &mut Socket, intended: Monotonic) -> Result<(), Error> {
        match self {
            Self::Kafka(lane) => lane.send(socket, intended),
            Self::Native(lane) => lane.send(socket, intended),
        }
    }

    /// Reads one frame that came: which of the requests without an answer it is for, counted from
    /// the oldest, and what became of it.
    pub(crate) fn answer(&mut self, frame: &[u8]) -> Result<(usize, Answer), Error> {
        match self {
            Self::Kafka(lane) => Ok((0, lane.answer(frame)?)),
            Self::Native(lane) => lane.answer(frame),
        }
    }
}

/// One consuming connection.
#[derive(Debug)]
pub(crate) enum Reader {
    Kafka(kafka::Reader),
    Native(native::Reader),
}

impl Reader {
    /// Waits for records, a quarter of a second at most if none come.
    pub(crate) fn wait(&mut self) -> Result<(), Error> {
        match self {
            Self::Kafka(reader) => reader.wait(),
            Self::Native(reader) => reader.wait(),
        }
    }

    /// Counts what the last `wait` brought.
    pub(crate) fn count(&mut self, consumed: &mut Consumed) -> Result<(), Error> {
        match self {
            Self::Kafka(reader) => reader.count(consumed),
            Self::Native(reader) => reader.count(consumed),
        }
    }

    /// Whether all was read that the topic held at the start; never at the end of the log.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Kafka(reader) => reader.is_done(),
            Self::Native(reader) => reader.is_done(),
        }
    }
}
