//! The network between hosts: which ways are cut, and what happens to a message.

use std::collections::BTreeSet;
use std::time::Duration;

use corelog_base::Random;

use crate::executor::Sim;
use crate::world::Event;

/// What the network does to messages. Rates are per mille of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weather {
    pub lost: u32,
    pub doubled: u32,
    /// Delayed by up to half a second, which overtakes others.
    pub late: u32,
    /// Of the rest, in microseconds.
    pub delay_us_max: u32,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            lost: 0,
            doubled: 0,
            late: 0,
            delay_us_max: 300,
        }
    }
}

/// The ways between hosts, by their indexes. A host always reaches itself.
#[derive(Default)]
pub struct Links {
    pub weather: Weather,
    /// From, to.
    cut: BTreeSet<(usize, usize)>,
}

impl Links {
    /// Nothing goes from one host to the other; the way back is another.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// Cuts every way between hosts of which one is in `side` and the other is not.
    pub fn split(&mut self, hosts: usize, side: &[usize]) {
        for from in 0..hosts {
            for to in 0..hosts {
                if side.contains(&from) != side.contains(&to) {
                    self.cut(from, to);
                }
            }
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        from != to && self.cut.contains(&(from, to))
    }

    /// When each copy of a message arrives; none if it is lost.
    fn fates(&self, random: &mut Random) -> Vec<Duration> {
        let weather = self.weather;
        if random.chance(u64::from(weather.lost)) {
            return Vec::new();
        }
        let copies = 1 + usize::from(random.chance(u64::from(weather.doubled)));
        (0..copies)
            .map(|_| {
                let mut us = 20 + random.below(u64::from(weather.delay_us_max) + 1);
                if random.chance(u64::from(weather.late)) {
                    us += random.below(500_000);
                }
                Duration::from_micros(us)
            })
            .collect()
    }
}

impl Sim {
    /// Sends a message from one host to another: `deliver` is called for each copy that arrives.
    /// A way that is cut when it would arrive loses it too.
    pub fn post<M: Clone + 'static>(
        &self,
        from: usize,
        to: usize,
        message: M,
        deliver: impl Fn(M) + Clone + 'static,
    ) {
        let fates = self.0.with(|world| match world.links.is_cut(from, to) {
            true => Vec::new(),
            false => world.links.fates(&mut world.random),
        });
        for delay in fates {
            let (message, deliver) = (message.clone(), deliver.clone());
            let call = move |sim: &Sim| {
                if !sim.links(|links| links.is_cut(from, to)) {
                    deliver(message);
                }
            };
            self.0
                .with(|world| world.after(delay, Event::Call(Box::new(call))));
        }
    }
}
