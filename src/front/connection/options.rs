//! What the door is given at start, and the bounds that are no options.

use std::time::Duration;

/// One connection's own memory for what it reads: half is the chunk into which small requests are
/// received, half holds small frames, so that these need nothing from the pool.
pub(crate) const CHUNK_BYTES: usize = 32 << 10;
pub(crate) const OWN_FRAME_BYTES: u64 = 32 << 10;

/// Requests of one connection that were read and whose response has not left. librdkafka sends
/// without a limit of its own; above this, reading stops.
pub(crate) const REQUESTS_IN_FLIGHT_MAX: usize = 128;

/// Bytes of one connection's finished responses. At this, nothing more is read or started, so at
/// most one response follows that was started below it.
pub(crate) const FINISHED_BYTES_MAX: u64 = 4 << 20;

/// Of those, bytes that no pool accounts for: the connection's own. At this, nothing more is
/// started either; one response of a size that needs no pool may follow.
pub(crate) const OWN_FINISHED_BYTES_MAX: u64 = 64 << 10;

/// Bytes of one connection's finished responses at which its streams push no more: as much as keeps
/// a socket busy. One frame of each stream may follow.
pub(crate) const PUSHED_BYTES_MAX: u64 = 1 << 20;

/// While others wait for the memory that a begun request holds: how long it may take at any pace,
/// and the least pace after that. One that was announced and does not come is closed by this.
pub(crate) const PRESSED_FRAME_WAIT: Duration = Duration::from_secs(2);
pub(crate) const PRESSED_FRAME_BYTES_PER_SECOND: u64 = 64 << 10;

/// While others wait for any memory, which responses hold: how long a socket may take for a piece.
pub(crate) const PRESSED_SEND_WAIT: Duration = Duration::from_secs(5);

/// How much is handed to the socket at once, so that its progress can be told.
pub(crate) const SEND_BYTES_MAX: u64 = 1 << 20;

/// How often deadlines are looked at; they are late by at most this.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How long a connection may take to finish what it has started when the broker stops.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Pauses of the accept loop while it fails (no descriptors left).
pub(crate) const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
pub(crate) const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// The door's settings on one core.
///
/// Memory is a sum: 256 KiB a connection at most (64 KiB for what it sends, 64 KiB for a poll that
/// waits, 128 KiB for answers that need no pool), `memory_bytes` for all else that the door holds, and
/// `request_bytes_max` once, while a batch is decompressed to be checked or recompressed.
#[derive(Clone, Debug)]
pub struct Options {
    /// `socket.request.max.bytes`: a frame above it closes the connection.
    pub request_bytes_max: u32,
    /// `connections.max.idle.ms`; none keeps idle connections.
    pub idle_max: Option<Duration>,
    /// The core's pool: three quarters for frames; of the rest, three quarters for records that
    /// are sent, and one for decoding and other responses.
    pub memory_bytes: u64,
    /// Connections of this core; those above it are closed at once.
    pub connections_max: u32,
    /// A frame must arrive whole within this and a second for each MiB of its length.
    pub frame_wait: Duration,
    /// A socket that does not take a piece of a response (1 MiB at most) within this is closed:
    /// responses pin memory.
    pub send_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            request_bytes_max: 100 << 20,
            idle_max: Some(Duration::from_secs(600)),
            memory_bytes: 256 << 20,
            connections_max: 16_384,
            frame_wait: Duration::from_secs(30),
            send_wait: Duration::from_secs(30),
        }
    }
}
