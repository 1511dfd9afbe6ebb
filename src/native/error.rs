//! The one error of this crate.

use std::fmt;
use std::sync::Arc;

use corelog_wire::kafka::ErrorCode;

/// What callers branch on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No connection could be made.
    Connect,
    /// A connection ended before the answer came: the request may have had its effect.
    Disconnected,
    /// No answer in time: the request may have had its effect.
    TimedOut,
    /// The peer sent what is not the native protocol, or not what was asked for.
    Protocol,
    /// The broker has no version of an API that is common with ours.
    Unsupported,
    /// The broker refused, with the number that Kafka gives this reason.
    Broker(ErrorCode),
    /// The broker does not have the batches that came before this one in its partition: another
    /// producer took this one's id, or acknowledged records were lost. The batch was not written.
    Sequence,
    /// Record bytes that cannot be read, or records that do not fit a batch.
    Record(corelog_record::Kind),
    /// The caller asked for what cannot be.
    Invalid,
    /// The producer, consumer or client was closed.
    Closed,
}

/// What went wrong, and where. Cheap to clone: a connection that ends tells everyone who waits.
#[derive(Clone, Debug)]
pub struct Error {
    pub kind: Kind,
    pub context: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
        }
    }

    pub(crate) fn with(
        kind: Kind,
        context: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            context: context.into(),
            source: Some(Arc::new(source)),
        }
    }

    /// Whether the same call may succeed later, without anything else being changed.
    pub fn is_retriable(&self) -> bool {
        match self.kind {
            Kind::Connect | Kind::Disconnected | Kind::TimedOut => true,
            Kind::Broker(code) => code.is_retriable(),
            Kind::Protocol
            | Kind::Unsupported
            | Kind::Sequence
            | Kind::Record(_)
            | Kind::Invalid
            | Kind::Closed => false,
        }
    }

    /// The number that the broker gave, if it was the broker that refused.
    pub fn code(&self) -> Option<i16> {
        match self.kind {
            Kind::Broker(code) => Some(code.0),
            _ => None,
        }
    }

    pub(crate) fn is_unknown_topic(&self) -> bool {
        self.kind == Kind::Broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }
}

/// `Ok` for code 0, else a refusal, with the message that the broker may have sent along.
pub(crate) fn check(
    code: i16,
    message: &str,
    context: impl FnOnce() -> String,
) -> Result<(), Error> {
    let code = ErrorCode(code);
    if code.is_none() {
        return Ok(());
    }
    let mut context = context();
    if !message.is_empty() {
        context = format!("{context}: {message}");
    }
    Err(Error::new(Kind::Broker(code), context))
}

pub(crate) fn closed() -> Error {
    Error::new(Kind::Closed, "it was closed")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        if let Kind::Broker(code) = self.kind {
            write!(f, ": {code}")?;
        }
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}

impl From<corelog_wire::Error> for Error {
    fn from(error: corelog_wire::Error) -> Self {
        Self::with(Kind::Protocol, "read what the broker sent", error)
    }
}

impl From<corelog_record::Error> for Error {
    fn from(error: corelog_record::Error) -> Self {
        Self::with(Kind::Record(error.kind), "read a record batch", error)
    }
}
