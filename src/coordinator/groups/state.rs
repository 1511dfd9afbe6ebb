//! The groups of one partition.

use std::collections::BTreeMap;

use corelog_base::{Monotonic, Random};

use crate::{At, Coordinator, Effect, Error, Event, Marker, Replayed};

/// See the module.
pub struct Groups {
    random: Random,
    groups: BTreeMap<String, ()>,
}

impl Groups {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            groups: BTreeMap::new(),
        }
    }
}

impl Coordinator for Groups {
    fn replay(&mut self, _at: &At<'_>, _record: &Replayed<'_>) -> Result<(), corelog_wire::Error> {
        let _ = self.random.next_u64();
        Ok(())
    }

    fn replay_marker(&mut self, _marker: &Marker) {}

    fn loaded(&mut self, _at: &At<'_>, _out: &mut Vec<Effect>) {}

    fn step(&mut self, _at: &At<'_>, event: Event, out: &mut Vec<Effect>) {
        if let Event::Request { token, .. } = event {
            let reply = Err(Error::Unavailable);
            out.push(Effect::Reply { token, reply });
        }
    }

    fn deadline(&self) -> Option<Monotonic> {
        debug_assert!(self.groups.is_empty());
        None
    }
}
