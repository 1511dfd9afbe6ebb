//! The ring runtime under the suite.

use std::any::Any;
use std::future::Future;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use super::{RingRuntime, start};
use crate::conformance::{self, Harness};
use crate::real_host::{self, Panics};
use crate::{AlignedBuf, CommitMode, File, OpenMode, Options, Runtime, conformance_tests};

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

#[test]
fn a_panic_in_a_task_ends_the_process() {
    let name = "ring::conformance_test::a_panic_in_a_task_ends_the_process";
    real_host::aborts(name, || {
        Ring::new(false, CommitMode::LinkedFlush).run(1, |rt| async move {
            rt.spawn(async { panic!("on purpose") });
            rt.sleep(Duration::from_secs(60)).await;
        });
    });
}

/// The kernel cuts a write at the limit of a file's size, and refuses the next one. In both ways
/// of committing the first part is written, the second is tried, and its failure is told.
#[test]
fn a_short_write_is_continued_and_its_failure_told() {
    let name = "ring::conformance_test::a_short_write_is_continued_and_its_failure_told";
    real_host::alone(name, || {
        crate::sys::limit_file_bytes(2 * 4096).unwrap();
        for commit in [CommitMode::LinkedFlush, CommitMode::Dsync] {
            let ring = Ring::new(false, commit);
            let path = ring.folder().join("short");
            ring.run(1, move |rt| {
                let path = path.clone();
                async move {
                    rt.create_dir_all(path.parent().unwrap()).await.unwrap();
                    let file = rt.open(&path, OpenMode::CreateNew).await.unwrap();
                    let mut buf = AlignedBuf::with_capacity(4 * 4096);
                    buf.set_len(4 * 4096);
                    let (result, buf) = file.commit(buf, 0).await;
                    assert_eq!(result.unwrap_err().kind(), ErrorKind::FileTooLarge);
                    assert_eq!(file.bytes().await.unwrap(), 2 * 4096);
                    let (result, _) = file.write(buf, 0).await;
                    assert_eq!(result.unwrap_err().kind(), ErrorKind::FileTooLarge);
                    // What fits is written as ever.
                    let mut small = AlignedBuf::with_capacity(4096);
                    small.set_len(4096);
                    file.commit(small, 4096).await.0.unwrap();
                }
            });
        }
    });
}

mod spinning {
    use super::*;
    conformance_tests!(Ring::new(true, CommitMode::Dsync));
}
