//! The glommio runtime under the suite.

use std::any::Any;
use std::future::Future;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use corelog_base::CoreId;

use super::{GlommioRuntime, start};
use crate::conformance::{self, Harness};
use crate::real_host::{self, Panics};
use crate::{CorePlan, Options, Runtime, conformance_tests};

struct Glommio {
    _folder: tempfile::TempDir,
    files: PathBuf,
}

impl Glommio {
    fn new() -> Self {
        let (folder, files) = real_host::folder();
        Self {
            _folder: folder,
            files,
        }
    }
}

impl Harness for Glommio {
    type Runtime = GlommioRuntime;

    fn run<F, Fut>(&self, cores: u16, main: F)
    where
        F: Fn(GlommioRuntime) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let panics = Panics::default();
        let caught = panics.clone();
        let main = move |rt| caught.clone().catch(main(rt));
        let cores = start(real_host::plans(cores), Options::default(), main).unwrap();
        cores.join();
        panics.throw();
    }

    fn folder(&self) -> PathBuf {
        self.files.clone()
    }

    fn exhaust_descriptors(_: &GlommioRuntime) -> Box<dyn Any> {
        real_host::exhaust_descriptors()
    }
}

conformance_tests!(Glommio::new());

#[test]
fn threads_wake_a_core() {
    conformance::threads_wake_a_core(&Glommio::new());
}

#[test]
fn wakers_outlive_their_core() {
    conformance::wakers_outlive_their_core(&Glommio::new());
}

#[test]
fn exhausted_descriptors_are_an_error() {
    let name = "glommio::conformance_test::exhausted_descriptors_are_an_error";
    real_host::alone(name, || {
        conformance::exhausted_descriptors_are_an_error(&Glommio::new());
    });
}

/// How much of its time a core that has nothing to do takes of its CPU, in millionths.
fn idle_share(spin: bool) -> u64 {
    let plan = CorePlan {
        core: CoreId(0),
        cpu: crate::allowed_cpus().first().copied(),
    };
    let options = Options {
        spin,
        ..Options::default()
    };
    let (sender, receiver) = mpsc::channel();
    let cores = start(vec![plan], options, move |rt| {
        let sender = sender.clone();
        async move {
            let (before, begin) = (ran_ns(), rt.now());
            rt.sleep(Duration::from_millis(300)).await;
            let passed = rt.now().since(begin).as_nanos() as u64;
            sender
                .send((ran_ns() - before) * 1_000_000 / passed)
                .unwrap();
        }
    });
    cores.unwrap().join();
    receiver.recv().unwrap()
}

/// For how long this thread has run on a CPU.
fn ran_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_core_that_spins_does_not_park() {
    let (parked, spinning) = (idle_share(false), idle_share(true));
    assert!(spinning > 3 * parked, "{spinning} beside {parked}");
}

#[test]
fn a_panic_in_a_task_ends_the_process() {
    let name = "glommio::conformance_test::a_panic_in_a_task_ends_the_process";
    real_host::aborts(name, || {
        Glommio::new().run(1, |rt| async move {
            rt.spawn(async { panic!("on purpose") });
            rt.sleep(Duration::from_secs(60)).await;
        });
    });
}
