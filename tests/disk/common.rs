//! What the tests of a log on a real file system share.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use bytes::Bytes;
use corelog_base::{
    CoreId, Entry, EntryKind, GroupId, LogIndex, Offset, PartitionIndex, Term, TopicId,
};
use corelog_log::{JournalOptions, Options};
use corelog_rt::CorePlan;
use corelog_rt::ring::{self, RingRuntime};

pub(crate) const GROUP: GroupId = GroupId(7);
pub(crate) const TOPIC: TopicId = TopicId([3; 16]);
pub(crate) const PARTITION: PartitionIndex = PartitionIndex(2);

/// Runs the body on one core of the ring, with a folder of its own.
pub(crate) fn in_folder<F: Future<Output = ()> + 'static>(
    body: impl Fn(RingRuntime, PathBuf) -> F + Send + Sync + 'static,
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    let (sender, receiver) = mpsc::channel();
    let plan = CorePlan {
        core: CoreId(0),
        cpu: None,
    };
    let cores = ring::start(vec![plan], Default::default(), move |rt| {
        let (body, sender) = (body(rt, path.clone()), sender.clone());
        async move {
            body.await;
            sender.send(()).unwrap();
        }
    });
    cores.expect("io_uring is allowed here").join();
    receiver.recv().expect("the body came to its end");
}

/// Small journals, and cycles of so many bytes.
pub(crate) fn options(dir: &Path, settle_bytes: u64) -> Options {
    Options {
        dir: dir.to_path_buf(),
        journal: JournalOptions {
            file_bytes: 2 << 20,
            files_max: 4,
            prewrite_bytes: 1 << 20,
            ..JournalOptions::default()
        },
        disk_reserve_bytes: 0,
        settle_bytes,
        ..Options::default()
    }
}

/// An entry of term 1 with a batch of so many records, as each before it is.
pub(crate) fn batch_entry(index: u64, records: i64, batch: impl FnOnce(i64) -> Bytes) -> Entry {
    let base = (index - 1) as i64 * records;
    Entry {
        index: LogIndex(index),
        term: Term(1),
        kind: EntryKind::Batch,
        base_offset: Offset(base),
        next_offset: Offset(base + records),
        data: batch(base),
    }
}
