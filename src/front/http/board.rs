//! What the HTTP door shows, put there by the node.

use std::sync::{Mutex, PoisonError};

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

    pub(super) fn unready(&self) -> Option<String> {
        self.with(|shown| shown.unready.clone())
    }

    pub(super) fn metrics(&self) -> String {
        self.with(|shown| shown.metrics.clone())
    }

    fn with<O>(&self, look: impl FnOnce(&mut Shown) -> O) -> O {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
