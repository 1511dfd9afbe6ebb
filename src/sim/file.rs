//! Direct files of a simulated disk.

use std::future::Future;
use std::io;

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
}

fn done(reply: Reply) {
    assert!(matches!(reply, Reply::Done));
}

impl SimFile {
    pub(crate) fn new(rt: SimRuntime, inode: Inode, writable: bool) -> Self {
        Self {
            rt,
            inode,
            writable,
        }
    }

    fn assert_aligned(bytes: u64) {
        assert_eq!(bytes % PAGE_BYTES as u64, 0, "direct I/O is aligned");
    }

    async fn put(
        self,
        buf: AlignedBuf,
        position: u64,
        make: impl FnOnce(Inode, Data) -> Request,
    ) -> (io::Result<()>, AlignedBuf) {
        Self::assert_aligned(position);
        Self::assert_aligned(buf.len() as u64);
        if !self.writable {
            return (Err(io::Error::from_raw_os_error(9)), buf);
        }
        if buf.is_empty() {
            return (Ok(()), buf);
        }
        let request = make(self.inode, Data::new(position, &buf));
        (self.rt.ask(request).await.map(done), buf)
    }

    async fn flush(self) -> io::Result<()> {
        let (host, file) = (self.rt.host, self.inode);
        let upto = self
            .rt
            .sim
            .0
            .with(|world| world.host(host).disk.completed(file));
        self.rt.ask(Request::Flush { file, upto }).await.map(done)
    }
}

impl File for SimFile {
    fn alignment(&self) -> u32 {
        PAGE_BYTES as u32
    }

    fn bytes(&self) -> impl Future<Output = io::Result<u64>> + 'static {
        let asked = self.rt.ask(Request::Bytes(self.inode));
        async move { asked.await.map(Reply::bytes) }
    }

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

    fn write(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        let file = self.clone();
        file.put(buf, position, |file, data| Request::Write { file, data })
    }

    fn commit(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        let file = self.clone();
        file.put(buf, position, |file, data| Request::Commit { file, data })
    }

    fn sync_data(&self) -> impl Future<Output = io::Result<()>> + 'static {
        self.clone().flush()
    }

    fn sync_all(&self) -> impl Future<Output = io::Result<()>> + 'static {
        self.clone().flush()
    }

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
