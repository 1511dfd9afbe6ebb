//! What the harnesses of the real runtimes share, in tests.

use std::any::Any;
use std::fs::File;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::process::Command;
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

/// A folder on the disk that holds the sources: a temporary file system may be in memory.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
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

/// Runs one test of this binary in a process of its own: calls `test` in the child, and waits for
/// the child in the parent.
pub(crate) fn alone(name: &str, test: impl FnOnce()) {
    const MARK: &str = "CORELOG_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return test();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(text.contains("1 passed"), "the name is wrong: {text}");
}
