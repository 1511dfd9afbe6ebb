//! What a client is told of a failure.

use corelog_wire::kafka::ErrorCode;

use super::error::code;

/// An error and what a person may be told of it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
}

impl Fault {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }
}

impl From<&corelog_broker::Error> for Fault {
    fn from(error: &corelog_broker::Error) -> Self {
        Self::new(code(error), error.to_string())
    }
}

impl From<corelog_broker::Error> for Fault {
    fn from(error: corelog_broker::Error) -> Self {
        Self::from(&error)
    }
}
