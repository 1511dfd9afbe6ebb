//! What the harnesses of the real runtimes share, in tests.

use std::any::Any;
use std::fs::File;
use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use corelog_base::CoreId;
use futures_lite::FutureExt;

use crate::{CorePlan, sys};

/// The first panic of a main future, brought over to the thread of the test.
#[derive(Clone, Default)]
pub(crate) struct Panics(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl Panics {
    pub(crate) async fn catch(self, main: impl Future<Output = ()>) {
        if let Err(panic) = AssertUnwindSafe(main).catch_unwind().await {
            self.0.lock().unwrap().get_or_insert(panic);
        }
    }

    pub(crate) fn throw(self) {
        let panic = self.0.lock().unwrap().take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

/// Pinned to the CPUs in turn.
pub(crate) fn plans(cores: u16) -> Vec<CorePlan> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (0..cores)
        .map(|core| CorePlan {
            core: CoreId(core),
            cpu: Some(usize::from(core) % cpus),
        })
        .collect()
}

/// An empty folder on the disk that holds the build: a temporary file system may be in memory.
pub(crate) fn scratch() -> tempfile::TempDir {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target");
    std::fs::create_dir_all(target).unwrap();
    tempfile::tempdir_in(target).unwrap()
}

/// A folder, and the path of one in it that does not exist yet.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = scratch();
    let path = folder.path().join("files");
    (folder, path)
}

/// Opens files until there are no descriptors left. Needs a process of its own.
pub(crate) fn exhaust_descriptors() -> Box<dyn Any> {
    sys::lower_descriptor_limit(256).unwrap();
    let mut held = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        held.push(file);
    }
    Box::new(held)
}

const MARK: &str = "CORELOG_TEST_ALONE";

/// Runs one test of this binary in a process of its own: calls `test` in the child. None there,
/// what became of the child in the parent.
fn in_child(name: &str, test: impl FnOnce()) -> Option<Output> {
    if std::env::var_os(MARK).is_some() {
        test();
        return None;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(MARK, "1")
        .output();
    Some(child.unwrap())
}

fn text(child: &Output) -> String {
    let out = String::from_utf8_lossy(&child.stdout);
    format!("{out}\n{}", String::from_utf8_lossy(&child.stderr))
}

/// A test that needs a process of its own and passes there.
pub(crate) fn alone(name: &str, test: impl FnOnce()) {
    if let Some(child) = in_child(name, test) {
        assert!(child.status.success(), "{}", text(&child));
        assert!(text(&child).contains("1 passed"), "the name is wrong");
    }
}

/// A test that ends its process with an abort, and says why.
pub(crate) fn aborts(name: &str, test: impl FnOnce()) {
    if let Some(child) = in_child(name, test) {
        assert_eq!(
            child.status.signal(),
            Some(libc::SIGABRT),
            "{}",
            text(&child)
        );
        assert!(
            text(&child).contains("ends the process"),
            "{}",
            text(&child)
        );
    }
}
