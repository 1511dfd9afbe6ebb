//! A client that may do anything: it writes and reads bytes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use corelog_wire::kafka::{ApiKey, Encoder, Message, ResponseHeader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Larger answers are none of the broker's.
const FRAME_BYTES_MAX: usize = 64 << 20;

pub struct Socket {
    stream: TcpStream,
    correlation: i32,
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Socket {
    /// # Errors
    /// What connecting says.
    pub async fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(address(port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    fn over(stream: TcpStream) -> Self {
        Self {
            stream,
            correlation: 0,
        }
    }

    /// With a receive buffer as small as the kernel allows, so that what is not read stays with
    /// the broker.
    ///
    /// # Errors
    /// What connecting says.
    pub async fn narrow(port: u16) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(2048)?;
        Ok(Self::over(socket.connect(address(port)).await?))
    }

    /// # Errors
    /// What the socket says.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads at most so many bytes; 0 if the broker has closed.
    ///
    /// # Errors
    /// What the socket says.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer).await
    }

    /// The next frame without its length; None if the broker has closed.
    ///
    /// # Errors
    /// What the socket says, and a length that no answer has.
    pub async fn frame(&mut self) -> io::Result<Option<Bytes>> {
        let mut prefix = [0; 4];
        if let Err(error) = self.stream.read_exact(&mut prefix).await {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => Ok(None),
                _ => Err(error),
            };
        }
        let length = usize::try_from(i32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(io::Error::other(format!("an answer of {length} bytes")));
        }
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).await?;
        Ok(Some(frame.into()))
    }

    /// Whether the broker closes within `wait`, whatever it answers before.
    pub async fn is_closed_within(&mut self, wait: Duration) -> bool {
        let mut buffer = [0; 4096];
        let drain = async { while !matches!(self.read(&mut buffer).await, Ok(0) | Err(_)) {} };
        timeout(wait, drain).await.is_ok()
    }

    /// The body of the answer to a request.
    ///
    /// # Errors
    /// What the socket says; `UnexpectedEof` if the broker closes; an answer to something else.
    pub async fn ask<'m, M: Message<'m>>(
        &mut self,
        version: i16,
        message: &M,
    ) -> io::Result<Bytes> {
        self.correlation = self.correlation.wrapping_add(1);
        let frame = frame(version, self.correlation, message);
        self.write(&frame).await?;
        self.answer(M::API, version).await
    }

    async fn answer(&mut self, api: ApiKey, version: i16) -> io::Result<Bytes> {
        let frame = self.frame().await?;
        let frame = frame.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let decoded = ResponseHeader::decode(api, version, &frame).map_err(io::Error::other)?;
        let (header, body) = decoded;
        if header.correlation_id != self.correlation {
            return Err(io::Error::other("an answer to another request"));
        }
        Ok(frame.slice(frame.len() - body.len()..))
    }
}

/// A request with its length.
pub(crate) fn frame<'m, M: Message<'m>>(version: i16, correlation: i32, message: &M) -> Vec<u8> {
    let mut encoder = Encoder::request(M::API, version, correlation, Some("hostile"));
    message.encode(version, &mut encoder);
    let parts = encoder.finish().expect("a request of ours is short");
    parts.concat()
}
