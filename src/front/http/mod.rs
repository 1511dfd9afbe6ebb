//! The HTTP door: liveness, readiness and metrics, on the housekeeping thread.
//!
//! Anyone may connect to it, so a connection has a deadline, and the oldest gives way to one too
//! many: what asks whether the broker lives is answered under a flood too.
//!
//! It never touches a core: what it shows is put on its [`Board`] by the node. So it answers also
//! while a core is stuck, and says so.

mod guard;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use guard::Guard;

/// What the door shows.
#[derive(Default)]
pub struct Board(Mutex<Shown>);

#[derive(Default)]
struct Shown {
    /// Why the broker does not serve, or None if it does.
    unready: Option<String>,
    /// In Prometheus' text format.
    metrics: String,
}

impl Board {
    /// A board of a broker that starts.
    pub fn new() -> Self {
        let board = Self::default();
        board.set_unready(Some("starting".into()));
        board
    }

    /// Why the broker does not serve, in words; None if it does.
    pub fn set_unready(&self, why: Option<String>) {
        self.with(|shown| shown.unready = why);
    }

    /// In Prometheus' text format.
    pub fn set_metrics(&self, text: String) {
        self.with(|shown| shown.metrics = text);
    }

    fn with<O>(&self, look: impl FnOnce(&mut Shown) -> O) -> O {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

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
    match board.with(|shown| shown.unready.clone()) {
        None => (StatusCode::OK, String::from("ready\n")),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(board): State<Arc<Board>>) -> impl IntoResponse {
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, board.with(|shown| shown.metrics.clone()))
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
