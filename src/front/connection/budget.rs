//! What the doors of one core share: memory, and places for connections.

use corelog_rt::Credits;

use super::options::Options;

/// Of one core. Clones share it.
#[derive(Clone)]
pub struct Budget {
    /// For frames, from their first byte until they are answered.
    pub(crate) frames: Credits,
    /// Memory for decoding and for responses without records. Who waits for it holds a frame at
    /// most, and who holds it waits for `records` at most, so it always comes free.
    pub(crate) work: Credits,
    /// Memory for records on their way out, and for recompressed batches. Who holds it waits for
    /// a socket or a disk, and those have deadlines: shorter ones while somebody waits for it.
    pub(crate) records: Credits,
    /// For what subscriptions remember. Nobody waits for it, as it is held for hours.
    pub(crate) streams: Credits,
    pub(crate) connections: Credits,
}

impl Budget {
    pub fn new(options: &Options) -> Self {
        let all = options.memory_bytes;
        let frames = all / 4 * 3;
        let streams = (all - frames) / 16;
        let work = (all - frames) / 4 - streams;
        Self {
            frames: Credits::new(frames),
            work: Credits::new(work),
            records: Credits::new(all - frames - work - streams),
            streams: Credits::new(streams),
            connections: Credits::new(u64::from(options.connections_max)),
        }
    }

    /// Somebody waits for memory of some kind.
    pub(crate) fn is_awaited(&self) -> bool {
        let kinds = [&self.frames, &self.work, &self.records];
        kinds.into_iter().any(Credits::is_awaited)
    }
}
