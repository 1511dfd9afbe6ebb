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
    /// The peer sent something that is not Kafka's protocol, or not what was asked for.
    Protocol,
    /// The broker has no version of an API that is common with ours.
    Unsupported,
    /// The broker refused, with Kafka's code.
    Broker(ErrorCode),
    /// Record bytes that cannot be read, or records that do not fit a batch.
    Record(corelog_record::Kind),
    /// The caller asked for what cannot be.
    Invalid,
    /// The producer, consumer or client was closed.
    Closed,
}

/// What went wrong, and where. Cheap to clone: a closing connection tells everyone who waits.
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

    /// The same error, said of more.
    pub(crate) fn of(self, context: impl fmt::Display) -> Self {
        Self {
            context: format!("{context}: {}", self.context),
            ..self
        }
    }

    /// A refusal by the broker, with the message that it may have sent along.
    pub(crate) fn broker(code: ErrorCode, message: Option<&str>, context: &str) -> Self {
        let context = match message {
            Some(message) if !message.is_empty() => format!("{context}: {message}"),
            _ => context.to_string(),
        };
        Self::new(Kind::Broker(code), context)
    }

    /// Whether the same call may succeed later, without anything else being changed.
    pub fn is_retriable(&self) -> bool {
        match self.kind {
            Kind::Connect | Kind::Disconnected | Kind::TimedOut => true,
            Kind::Broker(code) => code.is_retriable(),
            Kind::Protocol | Kind::Unsupported | Kind::Record(_) | Kind::Invalid | Kind::Closed => {
                false
            }
        }
    }

    /// The broker's code, if it was the broker that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.kind {
            Kind::Broker(code) => Some(code),
            _ => None,
        }
    }
}

/// `Ok` for code 0, else a refusal.
pub(crate) fn check(
    code: ErrorCode,
    message: Option<&str>,
    context: impl FnOnce() -> String,
) -> Result<(), Error> {
    if code.is_none() {
        return Ok(());
    }
    Err(Error::broker(code, message, &context()))
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
        Self::with(Kind::Protocol, "read the broker's answer", error)
    }
}

impl From<corelog_record::Error> for Error {
    fn from(error: corelog_record::Error) -> Self {
        Self::with(Kind::Record(error.kind), "read a record batch", error)
    }
}
