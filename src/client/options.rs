//! How a client behaves.

use std::time::Duration;

/// Times and bounds of a client and of what is made from it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name that brokers log and account by.
    pub client_id: String,
    pub connect_timeout: Duration,
    /// How long one answer may take, beyond what the request itself asks the broker to wait.
    pub request_timeout: Duration,
    /// How long a call goes on trying after errors that may pass.
    pub retry_for: Duration,
    /// The first pause between tries; each next one doubles, up to `backoff_max`.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// How many times a topic is asked for again that the cluster says it does not have: after its
    /// creation, brokers learn of it one after the other.
    pub unknown_topic_tries: u32,
    /// The largest answer that is taken from a broker; a larger one closes the connection.
    pub frame_bytes_max: usize,
    /// Requests that one connection has in flight at most; more wait.
    pub in_flight_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: "corelog".to_string(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            retry_for: Duration::from_secs(30),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            unknown_topic_tries: 4,
            frame_bytes_max: 256 << 20,
            in_flight_max: 64,
        }
    }
}
