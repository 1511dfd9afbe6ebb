//! The one error of this crate.

use std::fmt;
use std::io;

/// What callers branch on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The settings contradict each other or the topic.
    Usage,
    /// No broker could be reached, or one went away.
    Unreachable,
    /// The broker refused.
    Refused,
    /// The broker sent what is not its protocol.
    Protocol,
    /// A file, socket or thread of this host.
    Io,
}

/// What went wrong, and where.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub context: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
        }
    }

    pub(crate) fn usage(context: impl Into<String>) -> Self {
        Self::new(Kind::Usage, context)
    }

    pub(crate) fn with(
        kind: Kind,
        context: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            context: context.into(),
            source: Some(Box::new(source)),
        }
    }

    /// Says of an error of this host what was being done, as a verb phrase.
    pub(crate) fn io(context: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::with(Kind::Io, context, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.source.as_ref()?;
        Some(source.as_ref())
    }
}

impl From<corelog_client::Error> for Error {
    fn from(error: corelog_client::Error) -> Self {
        use corelog_client::Kind as Client;
        let kind = match error.kind {
            Client::Connect | Client::Disconnected | Client::TimedOut => Kind::Unreachable,
            Client::Invalid => Kind::Usage,
            Client::Protocol | Client::Unsupported | Client::Record(_) => Kind::Protocol,
            Client::Broker(_) | Client::Closed => Kind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<corelog_native::Error> for Error {
    fn from(error: corelog_native::Error) -> Self {
        use corelog_native::Kind as Client;
        let kind = match error.kind {
            Client::Connect | Client::Disconnected | Client::TimedOut => Kind::Unreachable,
            Client::Invalid => Kind::Usage,
            Client::Protocol | Client::Unsupported | Client::Record(_) => Kind::Protocol,
            Client::Broker(_) | Client::Sequence | Client::Closed => Kind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<corelog_wire::Error> for Error {
    fn from(error: corelog_wire::Error) -> Self {
        Self::with(Kind::Protocol, "read what the broker sent", error)
    }
}

impl From<corelog_record::Error> for Error {
    fn from(error: corelog_record::Error) -> Self {
        Self::with(Kind::Protocol, "read a record batch", error)
    }
}
