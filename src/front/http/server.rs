//! Listens and answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
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
///
/// # Errors
/// What accepting says, once it cannot go on.
pub async fn serve(listener: TcpListener, board: Arc<Board>, wait: Duration) -> io::Result<()> {
    axum::serve(Guard::new(listener, wait), router(board)).await
}

fn router(board: Arc<Board>) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(board)
}

async fn ready(State(board): State<Arc<Board>>) -> impl IntoResponse {
    match board.unready() {
        None => (StatusCode::OK, String::from("ready\n")),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(board): State<Arc<Board>>) -> impl IntoResponse {
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, board.metrics())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
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
    }
}
