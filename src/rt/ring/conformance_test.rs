//! The ring runtime under the suite.

use std::any::Any;
use std::future::Future;
use std::path::PathBuf;

use super::{RingRuntime, start};
use crate::conformance::{self, Harness};
use crate::real_host::{self, Panics};
use crate::{CommitMode, Options, conformance_tests};

struct Ring {
    options: Options,
    _folder: tempfile::TempDir,
    files: PathBuf,
}

impl Ring {
    fn new(spin: bool, commit: CommitMode) -> Self {
        let (folder, files) = real_host::folder();
        Self {
            options: Options { spin, commit },
            _folder: folder,
            files,
        }
    }
}

impl Harness for Ring {
    type Runtime = RingRuntime;

    fn run<F, Fut>(&self, cores: u16, main: F)
    where
        F: Fn(RingRuntime) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let panics = Panics::default();
        let caught = panics.clone();
        let main = move |rt| caught.clone().catch(main(rt));
        let cores = start(real_host::plans(cores), self.options, main).unwrap();
        cores.join();
        panics.throw();
    }

    fn folder(&self) -> PathBuf {
        self.files.clone()
    }

    fn exhaust_descriptors(_: &RingRuntime) -> Box<dyn Any> {
        real_host::exhaust_descriptors()
    }
}

mod parked {
    use super::*;
    conformance_tests!(Ring::new(false, CommitMode::LinkedFlush));

    #[test]
    fn threads_wake_a_core() {
        conformance::threads_wake_a_core(&Ring::new(false, CommitMode::LinkedFlush));
    }

    #[test]
    fn wakers_outlive_their_core() {
        conformance::wakers_outlive_their_core(&Ring::new(false, CommitMode::LinkedFlush));
    }

    #[test]
    fn exhausted_descriptors_are_an_error() {
        let name = "ring::conformance_test::parked::exhausted_descriptors_are_an_error";
        real_host::alone(name, || {
            let ring = Ring::new(false, CommitMode::LinkedFlush);
            conformance::exhausted_descriptors_are_an_error(&ring);
        });
    }
}

mod spinning {
    use super::*;
    conformance_tests!(Ring::new(true, CommitMode::Dsync));
}
