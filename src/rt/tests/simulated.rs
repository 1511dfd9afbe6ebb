//! The simulator's runtime under the suite that every runtime passes.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;

use corelog_base::CoreId;
use corelog_rt::conformance::{self, Harness};
use corelog_rt::{Runtime, conformance_tests};
use corelog_sim::{Host, Options, Sim, SimRuntime};

struct Simulated(u64);

struct Exhausted(Host);

impl Drop for Exhausted {
    fn drop(&mut self) {
        self.0.exhaust_descriptors(false);
    }
}

impl Harness for Simulated {
    type Runtime = SimRuntime;

    fn run<F, Fut>(&self, cores: u16, main: F)
    where
        F: Fn(SimRuntime) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let sim = Sim::new(self.0, Options::default());
        let host = sim.add_host();
        let ended = Rc::new(Cell::new(0));
        for core in (0..cores).map(CoreId) {
            let rt = host.runtime(core);
            let (rt2, ended) = (rt.clone(), ended.clone());
            let main = main(rt.clone());
            rt.spawn(async move {
                main.await;
                ended.set(ended.get() + 1);
                rt2.host().stop_core(rt2.core());
            });
        }
        while ended.get() < cores {
            assert!(sim.step(), "deadlock");
        }
        sim.shut_down();
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from("/data/files")
    }

    fn exhaust_descriptors(rt: &SimRuntime) -> Box<dyn Any> {
        let host = rt.host();
        host.exhaust_descriptors(true);
        Box::new(Exhausted(host))
    }
}

conformance_tests!(Simulated(7));

#[test]
fn exhausted_descriptors_are_an_error() {
    conformance::exhausted_descriptors_are_an_error(&Simulated(7));
}

#[test]
fn wakers_outlive_their_core() {
    conformance::wakers_outlive_their_core(&Simulated(7));
}
