//! The tasks of the journal: one writes frames, one flush cycle in flight; one prewrites files.

use std::io;
use std::path::Path;
use std::time::Duration;

use corelog_rt::{AlignedBuf, File, OpenMode, Runtime, timeout};

use crate::Log;
use crate::codec::{count, index};
use crate::error::is_full;
use crate::journal::{Frame, Grow, JournalFile, Next};

/// How long a log that is closing waits for room in the journal.
const CLOSE_AFTER: Duration = Duration::from_secs(3);
/// Zeros are written in pieces of this.
const ZERO_BYTES: u64 = 1 << 20;

/// Writes frames until the log is closed or fenced.
pub(crate) async fn write_frames<R: Runtime>(log: Log<R>) {
    loop {
        if log.with(|c| c.disk.fenced.is_some()) {
            log.wake.grow.notify();
            return;
        }
        let now = log.rt.now();
        let next = log.with(|c| {
            c.fill();
            let files = c.journal.files.len();
            let next = c.journal.next(c.block, now);
            (next, c.journal.files.len() != files)
        });
        let (next, rolled) = next;
        if rolled {
            log.wake.release.notify();
        }
        match next {
            Next::Frame(frame) => {
                write(&log, frame).await;
                if log.with(|c| c.journal.wants_growth()) {
                    log.wake.grow.notify();
                }
            }
            Next::Blocked => {
                log.wake.grow.notify();
                log.wake.release.notify();
                wait_for_room(&log).await;
            }
            Next::Idle { seal: true } => {
                let after = log.with(|c| c.options.journal.seal_after);
                if timeout(&log.rt, after, log.wake.write.notified())
                    .await
                    .is_err()
                {
                    log.with(|c| c.journal.seal_now = !c.journal.has_work());
                }
            }
            Next::Idle { seal: false } => {
                if log.with(|c| c.journal.closed) {
                    log.wake.grow.notify();
                    return;
                }
                log.wake.write.notified().await;
            }
        }
    }
}

/// Room comes by growth or release. A log that is closing does not wait for it for ever: what it
/// holds back was acknowledged to nobody.
async fn wait_for_room<R: Runtime>(log: &Log<R>) {
    let room = log.wake.write.notified();
    if !log.with(|c| c.disk.closing) {
        return room.await;
    }
    if timeout(&log.rt, CLOSE_AFTER, room).await.is_err() {
        log.with(|c| c.fence("closed while the journal had no room".into()));
        log.wake.grow.notify();
        log.wake.events.notify();
    }
}

async fn write<R: Runtime>(log: &Log<R>, mut frame: Frame<R::File>) {
    let buf = frame.buf.take().expect("a frame has its buffer");
    let (result, buf) = if !frame.attached.flush {
        frame.file.write(buf, frame.position).await
    } else {
        match &frame.unflushed {
            None => frame.file.commit(buf, frame.position).await,
            Some(others) => write_and_sync(&frame, others, buf).await,
        }
    };
    let is_due = log.with(|c| match result {
        Ok(()) => c.frame_done(frame, buf),
        Err(error) => {
            c.fence(format!("write journal frame: {error}"));
            false
        }
    });
    log.wake.events.notify();
    if is_due {
        log.wake.settle.notify();
    }
}

/// A commit makes nothing else durable, so frames that were only written need a flush of their
/// files after this one is written.
async fn write_and_sync<F: File>(
    frame: &Frame<F>,
    others: &[F],
    buf: AlignedBuf,
) -> (io::Result<()>, AlignedBuf) {
    let (mut result, buf) = frame.file.write(buf, frame.position).await;
    for file in others.iter().chain([&frame.file]) {
        if result.is_ok() {
            result = file.sync_data().await;
        }
    }
    (result, buf)
}

/// Prewrites journal files ahead of use until the log is closed or fenced.
pub(crate) async fn grow_files<R: Runtime>(log: Log<R>) {
    loop {
        let next = log.with(|c| {
            if c.disk.fenced.is_some() || c.journal.closed {
                return None;
            }
            Some(c.journal.grow())
        });
        let result = match next {
            None => return,
            Some(Grow::Nothing) => {
                log.wake.grow.notified().await;
                continue;
            }
            Some(Grow::Extend {
                file,
                number,
                from,
                to,
            }) => {
                let result = write_zeros(&file, from, to).await;
                if result.is_ok() {
                    log.with(|c| c.journal.extended(number, to));
                }
                result
            }
            Some(Grow::Create { number, path }) => {
                let bytes = log.with(|c| c.journal.first_bytes());
                let result = create(&log.rt, &path, number, bytes).await;
                result.map(|file| log.with(|c| c.journal.free.push(file)))
            }
        };
        match result {
            Ok(()) => log.wake.write.notify(),
            Err(error) if is_full(&error) => {
                // Back-pressure: what waits for room keeps waiting, and the monitor says when.
                log.with(|c| c.disk.full = true);
                log.wake.grow.notified().await;
            }
            Err(error) => {
                log.with(|c| c.fence(format!("prewrite journal file: {error}")));
                log.wake.events.notify();
                log.wake.settle.notify();
                log.wake.release.notify();
            }
        }
    }
}

/// Creates a journal file and writes its first bytes with zeros; durable when Ok, with its name.
pub(crate) async fn create<R: Runtime>(
    rt: &R,
    path: &Path,
    number: u32,
    bytes: u64,
) -> io::Result<JournalFile<R::File>> {
    let file = match rt.open(path, OpenMode::CreateNew).await {
        // Left by an attempt that ran out of space: it was never used.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            rt.open(path, OpenMode::ReadWrite).await?
        }
        other => other?,
    };
    write_zeros(&file, 0, bytes).await?;
    if let Some(folder) = path.parent() {
        rt.sync_dir(folder).await?;
    }
    Ok(JournalFile {
        number,
        file,
        prewritten: bytes,
        used: 0,
        first_sequence: 0,
        last_sequence: 0,
    })
}

async fn write_zeros<F: File>(file: &F, from: u64, to: u64) -> io::Result<()> {
    let mut buf = AlignedBuf::with_capacity(index(ZERO_BYTES.min(to - from)));
    let mut at = from;
    while at < to {
        buf.set_len(index(ZERO_BYTES.min(to - at)));
        let bytes = count(buf.len());
        let (result, back) = file.write(buf, at).await;
        result?;
        buf = back;
        at += bytes;
    }
    file.sync_all().await
}
