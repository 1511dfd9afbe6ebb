//! What happens to the cluster while clients use it.

use std::time::Duration;

use corelog_base::Random;
use corelog_rt::Runtime;
use corelog_sim::{SimRuntime, Weather};

use super::node::Node;

/// What was done, in counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Harm {
    pub kills: u32,
    pub power_losses: u32,
    pub cuts: u32,
    pub pauses: u32,
}

pub(super) struct Nemesis {
    pub rt: SimRuntime,
    pub nodes: Vec<Node>,
    pub random: Random,
    pub harm: Harm,
}

impl Nemesis {
    /// Does harm until the time is up, then heals everything.
    pub(super) async fn rage(mut self, duration: Duration) -> Harm {
        let end = self.rt.now() + duration;
        while self.rt.now() < end {
            let ms = 50 + self.random.below(1500);
            self.rt.sleep(Duration::from_millis(ms)).await;
            self.strike();
        }
        self.heal();
        self.harm
    }

    fn some_node(&mut self) -> Node {
        let pick = self.random.below(self.nodes.len() as u64) as usize;
        self.nodes[pick].clone()
    }

    fn strike(&mut self) {
        match self.random.below(12) {
            0..=1 => {
                let node = self.some_node();
                self.kill(&node);
            }
            2..=3 => {
                let node = self.some_node();
                self.lose_power(&node);
            }
            4 => {
                for node in self.nodes.clone() {
                    self.lose_power(&node);
                }
            }
            5 => self.split(),
            6 => self.rt.sim().links(|links| links.heal()),
            7 => self.change_weather(),
            8 => self.pause(),
            9 => {
                let node = self.some_node();
                let slowness = 1 + self.random.below(40) as u32;
                node.host.disk(|disk| disk.faults.slowness = slowness);
            }
            _ => self.start_all(),
        }
    }

    fn kill(&mut self, node: &Node) {
        self.harm.kills += 1;
        node.mark_down();
        node.host.kill();
        self.start_later(node);
    }

    fn lose_power(&mut self, node: &Node) {
        self.harm.power_losses += 1;
        node.mark_down();
        node.host.power_loss();
        self.start_later(node);
    }

    /// Most nodes come back soon; some wait until all are started.
    fn start_later(&mut self, node: &Node) {
        if self.random.chance(700) {
            let cores = 1 + self.random.below(2) as u16;
            node.start(cores);
        }
    }

    fn start_all(&mut self) {
        for node in self.nodes.clone() {
            if !node.is_started() {
                let cores = 1 + self.random.below(2) as u16;
                node.start(cores);
            }
        }
    }

    fn split(&mut self) {
        self.harm.cuts += 1;
        let count = self.nodes.len();
        let side: Vec<usize> = (0..count).filter(|_| self.random.chance(400)).collect();
        let one_way = self.random.chance(300);
        let pair = (
            self.random.below(count as u64) as usize,
            self.random.below(count as u64) as usize,
        );
        self.rt.sim().links(|links| match one_way {
            true => links.cut(pair.0, pair.1),
            false => links.split(count, &side),
        });
    }

    fn change_weather(&mut self) {
        let random = &mut self.random;
        let weather = Weather {
            lost: [0, 10, 50, 200][random.below(4) as usize],
            doubled: [0, 10, 100][random.below(3) as usize],
            late: [0, 20, 100][random.below(3) as usize],
            delay_us_max: [300, 3_000, 30_000][random.below(3) as usize],
        };
        self.rt.sim().links(|links| links.weather = weather);
    }

    fn pause(&mut self) {
        self.harm.pauses += 1;
        let node = self.some_node();
        let ms = 100 + self.random.below(4000);
        node.host.pause(Duration::from_millis(ms));
    }

    fn heal(&mut self) {
        self.rt.sim().links(|links| {
            links.heal();
            links.weather = Weather::default();
        });
        for node in &self.nodes {
            node.host.disk(|disk| disk.faults.slowness = 1);
        }
        self.start_all();
    }
}
