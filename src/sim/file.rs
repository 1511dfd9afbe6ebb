//! Direct files of a simulated disk.

use std::future::Future;
use std::io;
use std::sync::Arc;

use corelog_rt::{AlignedBuf, File};

use crate::disk::{Data, Inode, PAGE_BYTES};
use crate::request::{Reply, Request};
use crate::runtime::SimRuntime;

/// A file that is open for direct I/O.
#[derive(Clone)]
pub struct SimFile {
    rt: SimRuntime,
    inode: Inode,
    writable: bool,
    /// Held while any clone lives.
    _lock: Option<Arc<()>>,
}

fn done(reply: Reply) {
    assert!(matches!(reply, Reply::Done));
}

impl SimFile {
    pub(crate) fn new(rt: SimRuntime, inode: Inode, lock: Option<Arc<()>>) -> Self {
        Self {
            rt,
            inode,
            writable: lock.is_some(),
            _lock: lock,
        }
    }

    fn assert_aligned(bytes: u64) {
        assert_eq!(bytes % PAGE_BYTES as u64, 0, "direct I/O is aligned");
    }

    #[track_caller]
    fn put(
        &self,
        buf: AlignedBuf,
        position: u64,
        make: fn(Inode, Data) -> Request,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + use<> + 'static {
        Self::assert_aligned(position);
        Self::assert_aligned(buf.len() as u64);
        let writable = self.writable;
        // No closure: it would be the caller.
        let asked = if writable && !buf.is_empty() {
            Some(self.rt.ask(make(self.inode, Data::new(position, &buf))))
        } else {
            None
        };
        async move {
            match asked {
                Some(asked) => (asked.await.map(done), buf),
                None if writable => (Ok(()), buf),
                None => (Err(io::Error::from_raw_os_error(9)), buf),
            }
        }
    }
}

impl File for SimFile {
    fn alignment(&self) -> u32 {
        PAGE_BYTES as u32
    }

    #[track_caller]
    fn bytes(&self) -> impl Future<Output = io::Result<u64>> + 'static {
        let asked = self.rt.ask(Request::Bytes(self.inode));
        async move { asked.await.map(Reply::bytes) }
    }

    #[track_caller]
    fn read(
        &self,
        mut buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<u32>, AlignedBuf)> + 'static {
        Self::assert_aligned(position);
        let asked = self.rt.ask(Request::Read {
            file: self.inode,
            position,
            room: buf.capacity(),
        });
        async move {
            buf.set_len(0);
            let result = asked.await.map(|reply| {
                let content = reply.content();
                buf.extend_from_slice(&content);
                content.len() as u32
            });
            (result, buf)
        }
    }

    #[track_caller]
    fn write(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        self.put(buf, position, |file, data| Request::Write { file, data })
    }

    #[track_caller]
    fn commit(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        self.put(buf, position, |file, data| Request::Commit { file, data })
    }

    #[track_caller]
    fn sync_data(&self) -> impl Future<Output = io::Result<()>> + 'static {
        let flush = Request::Flush {
            file: self.inode,
            upto: 0,
        };
        let asked = self.rt.ask(flush);
        async move { asked.await.map(done) }
    }

    #[track_caller]
    fn sync_all(&self) -> impl Future<Output = io::Result<()>> + 'static {
        let flush = Request::Flush {
            file: self.inode,
            upto: 0,
        };
        let asked = self.rt.ask(flush);
        async move { asked.await.map(done) }
    }

    #[track_caller]
    fn set_len(&self, bytes: u64) -> impl Future<Output = io::Result<()>> + 'static {
        let file = self.inode;
        let asked = self.rt.ask(Request::SetBytes { file, bytes });
        async move { asked.await.map(done) }
    }
}

impl SimFile {
    /// A buffered write of a whole small file, of any length.
    pub(crate) fn small(&self, bytes: &[u8]) -> Request {
        Request::Write {
            file: self.inode,
            data: Data::new(0, bytes),
        }
    }
}
