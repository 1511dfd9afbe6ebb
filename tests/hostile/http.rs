//! Asks the HTTP port.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The status and the body of a GET.
///
/// # Errors
/// If nothing answers within `wait`.
pub async fn get(port: u16, path: &str, wait: Duration) -> Result<(u16, String), String> {
    let asked = timeout(wait, ask(port, path)).await;
    let text = asked.map_err(|_| format!("HTTP {path} is not answered within {wait:?}"))?;
    let text = text.map_err(|e| format!("HTTP {path}: {e}"))?;
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    let both = status.zip(body);
    both.ok_or_else(|| format!("HTTP {path} answered {text:?}"))
}

async fn ask(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
