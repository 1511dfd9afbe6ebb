//! The glommio runtime under the suite.

use std::any::Any;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use super::{GlommioRuntime, start};
use crate::conformance::{self, Harness};
use crate::real_host::{self, Panics};
use crate::{Options, Runtime, conformance_tests};

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
