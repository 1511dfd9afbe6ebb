//! Connections that end: at a deadline, or when there are too many.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time: probes and scrapers are few.
pub(super) const CONNECTIONS_MAX: usize = 128;
/// A pause when accepting fails (no descriptors left), before it is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener whose connections are guarded.
pub(super) struct Guard {
    listener: TcpListener,
    wait: Duration,
    /// One for each open connection, the oldest first; a dropped one ends its connection.
    open: VecDeque<oneshot::Sender<()>>,
}

impl Guard {
    pub(super) fn new(listener: TcpListener, wait: Duration) -> Self {
        Self {
            listener,
            wait,
            open: VecDeque::new(),
        }
    }

    fn admit(&mut self, stream: TcpStream) -> Guarded {
        self.open.retain(|connection| !connection.is_closed());
        while self.open.len() >= CONNECTIONS_MAX {
            self.open.pop_front();
        }
        let (keep, ended) = oneshot::channel();
        self.open.push_back(keep);
        Guarded {
            stream,
            wait: self.wait,
            due: Box::pin(sleep(self.wait)),
            ended,
        }
    }

    /// Waits for the next connection.
    pub(super) async fn accept(&mut self) -> Guarded {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return self.admit(stream),
                Err(error) => {
                    tracing::warn!(%error, "accept failed at the HTTP port");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// A connection that is closed unless it sends something within each `wait`. What it receives does
/// not count: a request may come byte by byte for ever.
pub(super) struct Guarded {
    stream: TcpStream,
    wait: Duration,
    due: Pin<Box<Sleep>>,
    ended: oneshot::Receiver<()>,
}

impl Guarded {
    /// Whether it may go on; asked at every poll, so that the task is woken when it may not.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if Pin::new(&mut self.ended).poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match self.due.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn goes_on(&mut self, sent: &Poll<io::Result<usize>>) {
        if matches!(sent, Poll::Ready(Ok(1..))) {
            let due = Instant::now() + self.wait;
            self.due.as_mut().reset(due);
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.goes_on(&sent);
        sent
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::{Board, listen, serve};
    use super::*;

    async fn serving(wait: Duration) -> SocketAddr {
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::new(Board::new()), wait));
        address
    }

    async fn is_answered(stream: &mut TcpStream) -> bool {
        let request = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut answer = Vec::new();
        if stream.write_all(request).await.is_err() {
            return false;
        }
        while !answer.ends_with(b"live\n") {
            if !matches!(stream.read_buf(&mut answer).await, Ok(1..)) {
                return false;
            }
        }
        answer.starts_with(b"HTTP/1.1 200")
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_closed() {
        let address = serving(Duration::from_millis(300)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut rest = Vec::new();
        stream.write_all(b"GET /live HT").await.unwrap();
        // Ends, whatever it ends with.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn the_oldest_gives_way() {
        let address = serving(Duration::from_secs(3600)).await;
        let mut oldest = TcpStream::connect(address).await.unwrap();
        assert!(is_answered(&mut oldest).await);
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = TcpStream::connect(address).await.unwrap();
            assert!(is_answered(&mut stream).await);
            held.push(stream);
        }
        assert!(!is_answered(&mut oldest).await);
        assert!(is_answered(&mut held[0]).await);
    }
}
