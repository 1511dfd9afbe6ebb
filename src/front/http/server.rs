//! Listens and answers.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::board::Board;
use super::guard::Guard;

/// Listens; [`serve`] answers.
///
/// # Errors
/// What listening says.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers for ever: `/live` is 200 while this thread runs, `/ready` 200 while the broker serves
/// and 503 with the reason otherwise, `/metrics` the figures. A connection that goes without a
/// response for `wait` is closed.
pub async fn serve(listener: TcpListener, board: Arc<Board>, wait: Duration) -> ! {
    let mut guard = Guard::new(listener, wait);
    loop {
        let stream = TokioIo::new(guard.accept().await);
        let board = Arc::clone(&board);
        tokio::spawn(async move {
            let service = service_fn(|asked: Request<Incoming>| {
                ready(Ok::<_, Infallible>(answer(
                    &board,
                    asked.method(),
                    asked.uri().path(),
                )))
            });
            let served = http1::Builder::new()
                .serve_connection(stream, service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection to the HTTP port ended");
            }
        });
    }
}

fn answer(board: &Board, method: &Method, path: &str) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
    let (status, kind, text) = match path {
        _ if !matches!(*method, Method::GET | Method::HEAD) => (
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "ask with GET\n".into(),
        ),
        "/live" => (StatusCode::OK, TEXT, "live\n".into()),
        "/ready" => match board.unready() {
            None => (StatusCode::OK, TEXT, "ready\n".into()),
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
        },
        "/metrics" => (StatusCode::OK, METRICS, board.metrics()),
        _ => {
            let known = "here are /live, /ready and /metrics\n";
            (StatusCode::NOT_FOUND, TEXT, known.into())
        }
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn ask(address: SocketAddr, path: &str) -> String {
        send(address, "GET", path).await
    }

    async fn send(address: SocketAddr, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn tells_what_is_on_the_board() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let board = Arc::new(Board::new());
        tokio::spawn(serve(listener, Arc::clone(&board), Duration::from_secs(60)));
        assert!(ask(address, "/live").await.starts_with("HTTP/1.1 200"));
        let unready = ask(address, "/ready").await;
        assert!(unready.starts_with("HTTP/1.1 503") && unready.ends_with("starting\n"));
        board.set_unready(None);
        assert!(ask(address, "/ready").await.starts_with("HTTP/1.1 200"));
        board.set_metrics("corelog_x 1\n".into());
        assert!(ask(address, "/metrics").await.ends_with("corelog_x 1\n"));
        // A body's length is told, and no body comes.
        let head = send(address, "HEAD", "/metrics").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 12\r\n"));
        assert!(head.ends_with("\r\n\r\n"));
        assert!(ask(address, "/else").await.starts_with("HTTP/1.1 404"));
        let posted = send(address, "POST", "/ready").await;
        assert!(posted.starts_with("HTTP/1.1 405") && posted.contains("allow: GET, HEAD\r\n"));
        // With a query, as some probes ask.
        assert!(ask(address, "/live?x=1").await.starts_with("HTTP/1.1 200"));
    }
}
