//! Direct files: reads, writes and flushes through the ring.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use super::executor::Core;
use super::ops::{self, At, Durable, Flush};
use crate::{AlignedBuf, CommitMode, File, sys};

/// A file open for direct I/O on a ring.
#[derive(Clone)]
pub struct RingFile {
    core: Rc<Core>,
    file: Rc<OwnedFd>,
    /// In bytes, a power of two.
    alignment: u32,
}

/// What became of one write of the rest of a buffer.
enum Step {
    Written(u32),
    /// Written and durable.
    Durable(u32),
}

/// How the bytes of a write are to be left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    Written,
    Durable(CommitMode),
}

impl RingFile {
    pub(super) fn new(core: Rc<Core>, file: OwnedFd, alignment: u32) -> Self {
        Self {
            core,
            file: Rc::new(file),
            alignment,
        }
    }

    fn assert_aligned(&self, bytes: u64) {
        assert_eq!(
            bytes % u64::from(self.alignment),
            0,
            "direct I/O is aligned"
        );
    }

    /// `commit` in a mode other than the runtime's, for the probe.
    pub(super) fn commit_as(
        &self,
        mode: CommitMode,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        self.clone().write_all(buf, position, Goal::Durable(mode))
    }

    /// Writes all of the buffer. A short write is continued at the last whole block, and its
    /// bytes count as durable only after a flush that began behind the last of them.
    async fn write_all(
        self,
        mut buf: AlignedBuf,
        position: u64,
        goal: Goal,
    ) -> (io::Result<()>, AlignedBuf) {
        self.assert_aligned(position);
        self.assert_aligned(buf.len() as u64);
        let mut done = 0;
        let mut durable = true;
        while done < buf.len() {
            let at = At {
                skip: done,
                position: position + done as u64,
            };
            let step;
            (step, buf) = self.write_some(buf, at, goal).await;
            let count = match step {
                Ok(Step::Written(count)) => {
                    durable = false;
                    count
                }
                Ok(Step::Durable(count)) => {
                    durable = true;
                    count
                }
                Err(error) => return (Err(error), buf),
            };
            // Direct I/O cannot go on inside a block, so a torn one is written again.
            let whole = count - count % self.alignment;
            if whole == 0 {
                return (Err(io::ErrorKind::WriteZero.into()), buf);
            }
            done += whole as usize;
        }
        if goal == Goal::Written || durable {
            return (Ok(()), buf);
        }
        let flushed = ops::flush(self.core.driver(), &self.file, Flush::Data).await;
        (flushed, buf)
    }

    async fn write_some(
        &self,
        buf: AlignedBuf,
        at: At,
        goal: Goal,
    ) -> (io::Result<Step>, AlignedBuf) {
        let driver = self.core.driver();
        match goal {
            Goal::Written => {
                let (result, buf) = ops::write(driver, &self.file, buf, at, Durable::No).await;
                (result.map(Step::Written), buf)
            }
            Goal::Durable(CommitMode::Dsync) => {
                let (result, buf) = ops::write(driver, &self.file, buf, at, Durable::Yes).await;
                (result.map(Step::Durable), buf)
            }
            Goal::Durable(CommitMode::LinkedFlush) => {
                let (pair, buf) = ops::write_flush(driver, &self.file, buf, at).await;
                let step = match (pair.written, pair.flushed) {
                    (Err(error), _) => Err(error),
                    // Covers all that was written before it, the earlier steps included.
                    (Ok(count), Ok(_)) => Ok(Step::Durable(count)),
                    // The write was short, which breaks the link: nothing was flushed.
                    (Ok(count), Err(error)) if error.raw_os_error() == Some(libc::ECANCELED) => {
                        Ok(Step::Written(count))
                    }
                    (Ok(_), Err(error)) => Err(error),
                };
                (step, buf)
            }
        }
    }

    async fn read_all(self, mut buf: AlignedBuf, position: u64) -> (io::Result<u32>, AlignedBuf) {
        self.assert_aligned(position);
        buf.set_len(0);
        while buf.len() < buf.capacity() {
            let at = At {
                skip: buf.len(),
                position: position + buf.len() as u64,
            };
            let result;
            (result, buf) = ops::read(self.core.driver(), &self.file, buf, at).await;
            match result {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    buf.set_len(0);
                    return (Err(error), buf);
                }
            }
            // A read that ends inside a block has met the end of the file.
            if !buf.len().is_multiple_of(self.alignment as usize) {
                break;
            }
        }
        (u32::try_from(buf.len()).map_err(io::Error::other), buf)
    }
}

impl File for RingFile {
    fn alignment(&self) -> u32 {
        self.alignment
    }

    fn bytes(&self) -> impl Future<Output = io::Result<u64>> + 'static {
        // Of an open file the length is in memory.
        std::future::ready(sys::file_bytes(self.file.as_fd()))
    }

    fn read(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<u32>, AlignedBuf)> + 'static {
        self.clone().read_all(buf, position)
    }

    fn write(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        self.clone().write_all(buf, position, Goal::Written)
    }

    fn commit(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        let mode = self.core.options().commit;
        self.commit_as(mode, buf, position)
    }

    fn sync_data(&self) -> impl Future<Output = io::Result<()>> + 'static {
        let this = self.clone();
        async move { ops::flush(this.core.driver(), &this.file, Flush::Data).await }
    }

    fn sync_all(&self) -> impl Future<Output = io::Result<()>> + 'static {
        let this = self.clone();
        async move { ops::flush(this.core.driver(), &this.file, Flush::All).await }
    }

    fn set_len(&self, bytes: u64) -> impl Future<Output = io::Result<()>> + 'static {
        let file = self.file.try_clone();
        self.core
            .blocking()
            .run(move || std::fs::File::from(file?).set_len(bytes))
    }
}
