//! Errors of this door alone, as Kafka's codes; the others are those of every door.

use corelog_wire::kafka::ErrorCode;

pub(super) use crate::operation::{code, coordinator_code};

use super::sessions::SessionError;

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

    #[test]
    fn a_session_that_is_gone_is_made_anew() {
        assert_eq!(session_code(SessionError::NotFound).0, 70);
        assert_eq!(session_code(SessionError::WrongEpoch).0, 71);
    }
}
