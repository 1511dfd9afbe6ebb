//! Responses that nobody asks for one by one.

use super::lane::Lane;
use super::service::{Reply, Response};

/// A connection's way out, for its streams.
#[derive(Clone)]
pub(crate) struct Pushes(pub(super) Lane);

impl Pushes {
    /// Waits until little enough is on its way. Never returns once the connection ends.
    pub(crate) async fn room(&self) {
        self.0.may_push().await;
    }

    /// Sends a response behind those that are finished.
    pub(crate) fn push(&self, response: Response) {
        self.0.finish_aside(Reply::Send(response));
    }

    /// Closes the connection behind what is finished.
    pub(crate) fn close(&self) {
        self.0.finish_aside(Reply::Close);
    }
}
