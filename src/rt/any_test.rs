//! The runtime of choice under the suite, as each of the two.

use std::any::Any;
use std::future::Future;
use std::path::PathBuf;

use super::{AnyRuntime, start};
use crate::conformance::Harness;
use crate::real_host::{self, Panics};
use crate::{Options, RuntimeKind, conformance_tests};

struct Either {
    kind: RuntimeKind,
    _folder: tempfile::TempDir,
    files: PathBuf,
}

impl Either {
    fn new(kind: RuntimeKind) -> Self {
        let (folder, files) = real_host::folder();
        Self {
            kind,
            _folder: folder,
            files,
        }
    }
}

impl Harness for Either {
    type Runtime = AnyRuntime;

    fn run<F, Fut>(&self, cores: u16, main: F)
    where
        F: Fn(AnyRuntime) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let panics = Panics::default();
        let (caught, kind) = (panics.clone(), self.kind);
        let main = move |rt| {
            assert_eq!(matches!(rt, AnyRuntime::Ring(_)), kind == RuntimeKind::Ring);
            caught.clone().catch(main(rt))
        };
        let cores = start(kind, real_host::plans(cores), Options::default(), main).unwrap();
        cores.join();
        panics.throw();
    }

    fn folder(&self) -> PathBuf {
        self.files.clone()
    }

    fn exhaust_descriptors(_: &AnyRuntime) -> Box<dyn Any> {
        real_host::exhaust_descriptors()
    }
}

mod ring {
    use super::*;
    conformance_tests!(Either::new(RuntimeKind::Ring));
}

mod glommio {
    use super::*;
    conformance_tests!(Either::new(RuntimeKind::Glommio));
}
