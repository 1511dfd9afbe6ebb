//! What listens while the node recovers. On the housekeeping thread, before any core serves: what
//! is answered, each door says.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connections at a time, and what each may send at once: the node has not yet set aside memory.
const CONNECTIONS_MAX: usize = 64;
pub(crate) const FRAME_BYTES_MAX: usize = 2 << 20;
const BACKLOG: u32 = 1024;

/// What a door says meanwhile.
pub(crate) trait Answers: Send + Sync + 'static {
    /// As much of a frame as tells its length.
    const PREFIX_BYTES: usize;

    /// The whole frame's length, prefix included; None if the prefix is no request's.
    fn frame_bytes(&self, prefix: &[u8]) -> Option<usize>;

    /// None if the connection is to be closed.
    fn reply(&self, frame: &[u8]) -> Option<Vec<Bytes>>;
}

/// Listens beside the cores' own listeners, which come later.
///
/// # Errors
/// What the kernel says.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Answers until it is dropped; every connection ends with it. `wait` is how long a client may take
/// for the next frame, and to receive its answer.
pub(crate) fn answer<A: Answers>(
    answers: A,
    listener: TcpListener,
    wait: Duration,
) -> impl Future<Output = ()> + Send {
    let answers = Arc::new(answers);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    async move {
        let mut connections = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            while connections.try_join_next().is_some() {}
            let answers = Arc::clone(&answers);
            connections.spawn(async move {
                // A client that goes is no news.
                let _ = serve(&*answers, stream, wait).await;
                drop(permit);
            });
        }
    }
}

async fn serve<A: Answers>(answers: &A, mut stream: TcpStream, wait: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let Some(frame) = timeout(wait, next(answers, &mut stream)).await?? else {
            return Ok(());
        };
        let Some(parts) = answers.reply(&frame) else {
            return Ok(());
        };
        // Who reads nothing would keep one of the few places until the node serves.
        timeout(wait, stream.write_all(&parts.concat())).await??;
    }
}

/// The next frame; None if its prefix is no request's.
async fn next<A: Answers>(answers: &A, stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut frame = vec![0; A::PREFIX_BYTES];
    stream.read_exact(&mut frame).await?;
    let bytes = answers.frame_bytes(&frame);
    let Some(bytes) = bytes.filter(|n| *n >= A::PREFIX_BYTES) else {
        return Ok(None);
    };
    frame.resize(bytes, 0);
    stream.read_exact(&mut frame[A::PREFIX_BYTES..]).await?;
    Ok(Some(frame))
}
