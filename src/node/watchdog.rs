//! Whether every core makes progress, as its heartbeat tells.

use std::time::{Duration, Instant};

use corelog_rt::Heartbeats;

/// A core that has not turned for this long is stuck. It beats four times a second when idle.
const STUCK_AFTER: Duration = Duration::from_secs(5);

struct Beat {
    turns: u64,
    since: Instant,
    told: bool,
}

pub(crate) struct Watchdog {
    beats: Heartbeats,
    seen: Vec<Beat>,
}

impl Watchdog {
    pub(crate) fn new(beats: Heartbeats, now: Instant) -> Self {
        let seen = beats.cores().map(|_| Beat {
            turns: 0,
            since: now,
            told: false,
        });
        Self {
            seen: seen.collect(),
            beats,
        }
    }

    /// Which cores have turned lately. A core that begins to be stuck is logged, once.
    pub(crate) fn look(&mut self, now: Instant) -> Vec<bool> {
        let turns: Vec<u64> = self
            .beats
            .cores()
            .map(|c| self.beats.turns(c).unwrap_or(0))
            .collect();
        let seen = self.seen.iter_mut().zip(turns).enumerate();
        seen.map(|(core, (beat, turns))| beat.look(core, turns, now))
            .collect()
    }
}

impl Beat {
    fn look(&mut self, core: usize, turns: u64, now: Instant) -> bool {
        if turns != self.turns {
            *self = Beat {
                turns,
                since: now,
                told: false,
            };
        }
        let alive = now.duration_since(self.since) < STUCK_AFTER;
        if !alive && !self.told {
            self.told = true;
            tracing::error!(core, "this core has made no progress for {STUCK_AFTER:?}");
        }
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuck_until_it_turns_again() {
        let start = Instant::now();
        let mut beat = Beat {
            turns: 0,
            since: start,
            told: false,
        };
        assert!(beat.look(0, 1, start));
        assert!(beat.look(0, 1, start + STUCK_AFTER / 2));
        assert!(!beat.look(0, 1, start + STUCK_AFTER));
        assert!(beat.look(0, 2, start + STUCK_AFTER * 2));
    }
}
