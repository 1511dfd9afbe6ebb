//! A lane with its pauses.

use corelog_base::Pauses;
use corelog_wire::kafka::ErrorCode;
use tokio::time::Instant;

use super::lane::Lane;
use crate::backoff::pauses;
use crate::options::{Options, UNKNOWN_TOPIC_TRIES};
use crate::{Error, Kind};

pub(super) struct Tended {
    pub lane: Lane,
    /// It had something to send, and no room for it.
    pub waits: bool,
    /// The connection that it sends by.
    road: u64,
    pauses: Option<Pauses>,
    unknown_tries: u32,
}

/// What is to be done after an answer.
pub(super) struct Looked {
    /// The partition may be elsewhere now.
    pub stale: bool,
    /// It may send.
    pub ready: bool,
}

impl Tended {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            waits: false,
            road: 0,
            pauses: None,
            unknown_tries: 0,
        }
    }

    /// Whether it may send by this connection; then it does.
    pub(super) fn takes(&mut self, road: u64) -> bool {
        if self.road != road && self.lane.under_way() == 0 {
            self.road = road;
        }
        self.road == road
    }

    pub(super) fn tend(&mut self, options: &Options, now: Instant) -> Looked {
        if self.lane.last_error().is_none() {
            self.pauses = None;
            self.unknown_tries = 0;
        }
        let nothing = Looked {
            stale: false,
            ready: false,
        };
        let Some(why) = self.lane.drained() else {
            return nothing;
        };
        let Some(error) = why else {
            self.lane.pause(now);
            return Looked {
                ready: true,
                ..nothing
            };
        };
        let unknown = Kind::Broker(ErrorCode::UNKNOWN_TOPIC_ID) == error.kind;
        self.unknown_tries += u32::from(unknown || error.is_unknown_topic());
        if self.unknown_tries >= UNKNOWN_TOPIC_TRIES {
            self.lane.give_up(&error);
            return Looked {
                stale: true,
                ready: true,
            };
        }
        let pauses = self.pauses.get_or_insert_with(|| pauses(options));
        self.lane.pause(now + pauses.draw());
        Looked {
            stale: true,
            ..nothing
        }
    }

    /// Why the oldest batch is given up.
    pub(super) fn overdue(&self, trouble: Option<&Error>) -> Error {
        timed_out(self.lane.last_error().or(trouble))
    }
}

/// A batch's time is up; `last` is what went wrong before.
pub(super) fn timed_out(last: Option<&Error>) -> Error {
    let context = match last {
        Some(last) => format!("not acknowledged in time; the last try: {last}"),
        None => "not acknowledged in time".to_owned(),
    };
    Error::new(Kind::TimedOut, context)
}
