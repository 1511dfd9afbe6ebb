//! Direct files on glommio. Bytes are copied between our buffers and glommio's own.

use std::fs;
use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use ::glommio::io::{DmaFile, OpenOptions};

use super::runtime::Core;
use crate::{AlignedBuf, File, OpenMode, cold};

/// A file open for direct I/O on glommio.
#[derive(Clone)]
pub struct GlommioFile {
    core: Rc<Core>,
    direct: Rc<DmaFile>,
    /// For what glommio has no call: fsync, any length.
    plain: Arc<fs::File>,
    /// In bytes, a power of two.
    alignment: u32,
}

/// What a write leaves behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    Written,
    Durable,
}

pub(super) fn open(
    core: Rc<Core>,
    path: PathBuf,
    mode: OpenMode,
) -> impl Future<Output = io::Result<GlommioFile>> + 'static {
    let opening = path.clone();
    let opened = core.cold(move || {
        let (plain, alignment) = cold::open(&opening, mode)?;
        let plain = fs::File::from(plain);
        let device = plain.metadata()?.dev();
        Ok((plain, alignment, device))
    });
    async move {
        let (plain, alignment, device) = opened.await?;
        probe_polling(&core, &path, device).await?;
        let direct = OpenOptions::new()
            .read(true)
            .write(mode != OpenMode::Read)
            .dma_open(&path)
            .await
            .map_err(io::Error::from)?;
        Ok(GlommioFile {
            core,
            direct: Rc::new(direct),
            plain: Arc::new(plain),
            alignment,
        })
    }
}

/// Glommio finds out whether a device can be polled by reading from the first file that it opens
/// there. A read from an empty file always succeeds, and afterwards every read fails with
/// EOPNOTSUPP. So the first file that it sees on a device is a nameless one with bytes in it.
async fn probe_polling(core: &Rc<Core>, path: &Path, device: u64) -> io::Result<()> {
    if core.probed.borrow().contains(&device) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let sample = core
        .cold(move || cold::nameless(&folder, &[0; 4096]))
        .await?;
    let through = format!("/proc/self/fd/{}", sample.as_raw_fd());
    let opened = OpenOptions::new().read(true).dma_open(through).await;
    let opened = opened.map_err(io::Error::from)?;
    opened.close().await.map_err(io::Error::from)?;
    core.probed.borrow_mut().insert(device);
    Ok(())
}

fn shut_down() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "the core shuts down")
}

impl GlommioFile {
    fn assert_aligned(&self, bytes: u64) {
        assert_eq!(
            bytes % u64::from(self.alignment),
            0,
            "direct I/O is aligned"
        );
    }

    async fn write_all(self, buf: AlignedBuf, position: u64, goal: Goal) -> Outcome<()> {
        self.assert_aligned(position);
        self.assert_aligned(buf.len() as u64);
        let mut done = 0;
        while done < buf.len() {
            let rest = &buf[done..];
            let mut copy = self.direct.alloc_dma_buffer(rest.len());
            copy.as_bytes_mut()[..rest.len()].copy_from_slice(rest);
            copy.trim_to_size(rest.len());
            let at = position + done as u64;
            let written = match self.direct.write_at(copy, at).await {
                Ok(count) => count,
                Err(error) => return (Err(error.into()), buf),
            };
            // Direct I/O cannot go on inside a block, so a torn one is written again.
            let whole = written - written % self.alignment as usize;
            if whole == 0 {
                return (Err(io::ErrorKind::WriteZero.into()), buf);
            }
            done += whole;
        }
        if goal == Goal::Written || buf.is_empty() {
            return (Ok(()), buf);
        }
        let flushed = self.direct.fdatasync().await.map_err(io::Error::from);
        (flushed, buf)
    }

    async fn read_all(self, mut buf: AlignedBuf, position: u64) -> Outcome<u32> {
        self.assert_aligned(position);
        buf.set_len(0);
        while buf.len() < buf.capacity() {
            let room = buf.capacity() - buf.len();
            let at = position + buf.len() as u64;
            match self.direct.read_at_aligned(at, room).await {
                Ok(bytes) => {
                    buf.extend_from_slice(&bytes);
                    // A read that ends inside a block has met the end of the file.
                    if bytes.is_empty() || bytes.len() % self.alignment as usize != 0 {
                        break;
                    }
                }
                Err(error) => {
                    buf.set_len(0);
                    return (Err(error.into()), buf);
                }
            }
        }
        (u32::try_from(buf.len()).map_err(io::Error::other), buf)
    }

    /// Runs an operation that owns a buffer to its end.
    fn operate<T: 'static, O>(&self, operation: O) -> impl Future<Output = Outcome<T>> + use<T, O>
    where
        O: Future<Output = Outcome<T>> + 'static,
    {
        let running = self.core.operate(operation);
        async move {
            running.await.unwrap_or_else(|| {
                let nothing = AlignedBuf::with_capacity(AlignedBuf::ALIGNMENT);
                (Err(shut_down()), nothing)
            })
        }
    }
}

type Outcome<T> = (io::Result<T>, AlignedBuf);

impl File for GlommioFile {
    fn alignment(&self) -> u32 {
        self.alignment
    }

    fn bytes(&self) -> impl Future<Output = io::Result<u64>> + 'static {
        std::future::ready(self.plain.metadata().map(|meta| meta.len()))
    }

    fn read(&self, buf: AlignedBuf, position: u64) -> impl Future<Output = Outcome<u32>> + 'static {
        self.operate(self.clone().read_all(buf, position))
    }

    fn write(&self, buf: AlignedBuf, position: u64) -> impl Future<Output = Outcome<()>> + 'static {
        self.operate(self.clone().write_all(buf, position, Goal::Written))
    }

    fn commit(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = Outcome<()>> + 'static {
        self.operate(self.clone().write_all(buf, position, Goal::Durable))
    }

    fn sync_data(&self) -> impl Future<Output = io::Result<()>> + 'static {
        let direct = Rc::clone(&self.direct);
        let running = self.core.operate(async move { direct.fdatasync().await });
        async move {
            let flushed = running.await.ok_or_else(shut_down)?;
            flushed.map_err(io::Error::from)
        }
    }

    fn sync_all(&self) -> impl Future<Output = io::Result<()>> + 'static {
        let file = Arc::clone(&self.plain);
        self.core.cold(move || file.sync_all())
    }

    fn set_len(&self, bytes: u64) -> impl Future<Output = io::Result<()>> + 'static {
        let file = Arc::clone(&self.plain);
        self.core.cold(move || file.set_len(bytes))
    }
}
