//! The producer's connections, one a core, and who waits for them.

use std::collections::BTreeMap;

use corelog_base::{CoreId, PartitionIndex, Pauses};
use tokio::time::Instant;

use crate::Error;
use crate::backoff::pauses;
use crate::connection::Connection;
use crate::options::Options;

#[derive(Default)]
struct Road {
    connection: Option<Connection>,
    /// Which connection it is, of all that were made.
    serial: u64,
    opening: bool,
    /// Partitions that have something to send to this core.
    waiting: Vec<PartitionIndex>,
    /// After a failure: when to try again.
    pauses: Option<(Pauses, Instant)>,
}

pub(super) struct Roads {
    options: Options,
    by_core: BTreeMap<CoreId, Road>,
    last_serial: u64,
    /// Why no connection could be made, last.
    trouble: Option<Error>,
}

impl Roads {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            by_core: BTreeMap::new(),
            last_serial: 0,
            trouble: None,
        }
    }

    pub(super) fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    pub(super) fn connection(&self, core: CoreId) -> Option<&Connection> {
        let connection = self.by_core.get(&core)?.connection.as_ref();
        connection.filter(|connection| !connection.is_ended())
    }

    /// The connection's number, and what a payload may have; none without a connection.
    pub(super) fn open(&self, core: CoreId) -> Option<(u64, usize)> {
        let hello = self.connection(core)?.hello();
        let bytes_max = usize::try_from(hello.payload_bytes_max).unwrap_or(usize::MAX);
        Some((self.by_core.get(&core)?.serial, bytes_max))
    }

    pub(super) fn wait(&mut self, core: CoreId, partition: PartitionIndex) {
        self.by_core
            .entry(core)
            .or_default()
            .waiting
            .push(partition);
    }

    /// Whether a connection is to be made now; then the caller makes one.
    pub(super) fn may_open(&mut self, core: CoreId, now: Instant) -> bool {
        let road = self.by_core.entry(core).or_default();
        let paused = road.pauses.as_ref().is_some_and(|(_, until)| *until > now);
        if road.opening || paused {
            return false;
        }
        road.opening = true;
        road.connection = None;
        true
    }

    /// Cores that somebody waits for, and whose pause is over.
    pub(super) fn wanted(&self, now: Instant) -> Vec<CoreId> {
        let all = self.by_core.iter();
        let wanted = all.filter(|(_, road)| {
            let paused = road.pauses.as_ref().is_some_and(|(_, until)| *until > now);
            !road.waiting.is_empty() && !road.opening && !paused
        });
        wanted.map(|(core, _)| *core).collect()
    }

    /// What came of opening. Those who waited look again where their partition is: after a failure
    /// it may be elsewhere.
    pub(super) fn opened(
        &mut self,
        core: CoreId,
        opened: Result<Connection, Error>,
        now: Instant,
    ) -> Vec<PartitionIndex> {
        let road = self.by_core.entry(core).or_default();
        road.opening = false;
        match opened {
            Ok(connection) => {
                self.last_serial += 1;
                road.serial = self.last_serial;
                road.connection = Some(connection);
                road.pauses = None;
                self.trouble = None;
            }
            Err(error) => {
                let fresh = || pauses(&self.options);
                let (mut drawn, _) = road.pauses.take().unwrap_or_else(|| (fresh(), now));
                let until = now + drawn.draw();
                road.pauses = Some((drawn, until));
                self.trouble = Some(error);
            }
        }
        std::mem::take(&mut road.waiting)
    }
}
