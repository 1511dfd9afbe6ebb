//! The batches of a request that have passed, until they are submitted.

use std::ops::Range;

use bytes::BytesMut;
use corelog_broker::{PartitionKey, ProducePart, Verified};
use corelog_record::BatchHeader;
use corelog_rt::{Credit, Credits};
use corelog_wire::kafka::ErrorCode;

use super::Fault;
use super::batch::{Refusal, Rules};

/// A batch that has passed, and where it stands in the body.
pub(crate) struct Accepted {
    pub(crate) key: PartitionKey,
    pub(crate) header: BatchHeader,
    range: Range<usize>,
    /// In place of the body's bytes, where the topic has a codec of its own.
    recompressed: Option<BytesMut>,
    pub(crate) verified: Verified,
}

/// For which partition a batch is, and where it stands in the body.
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) range: Range<usize>,
}

/// In the order of the body.
#[derive(Default)]
pub(crate) struct Batches {
    pub(crate) accepted: Vec<Accepted>,
    /// For batches that were recompressed: what a client sends may be a thousandth of them.
    recompressed: Vec<Credit>,
}

impl Batches {
    /// The place of a good batch among those to submit.
    pub(crate) fn accept(
        &mut self,
        rules: &Rules,
        place: Place,
        bytes: &[u8],
        records: &Credits,
    ) -> Result<usize, Refusal> {
        let checked = rules.check(place.partition, bytes)?;
        if let Some(batch) = &checked.recompressed {
            let none = "no memory is free to recompress this batch";
            let credit = records.try_take(batch.len() as u64);
            // Retriable: others give theirs back once their batches are committed.
            let credit = credit.ok_or_else(|| Fault::new(ErrorCode::REQUEST_TIMED_OUT, none))?;
            self.recompressed.push(credit);
        }
        self.accepted.push(Accepted {
            key: checked.key,
            header: checked.header,
            range: place.range,
            recompressed: checked.recompressed,
            verified: Verified::No,
        });
        Ok(self.accepted.len() - 1)
    }

    /// Takes the batches out of the body, from the last to the first, without a copy; the memory is
    /// for as long as those that were recompressed are held.
    pub(crate) fn split(self, mut body: BytesMut) -> (Vec<ProducePart>, Vec<Credit>) {
        let mut parts: Vec<ProducePart> = self
            .accepted
            .into_iter()
            .rev()
            .map(|accepted| {
                body.truncate(accepted.range.end);
                let own = body.split_off(accepted.range.start);
                ProducePart {
                    key: accepted.key,
                    verified: accepted.verified,
                    header: accepted.header,
                    batch: accepted.recompressed.unwrap_or(own),
                }
            })
            .collect();
        parts.reverse();
        (parts, self.recompressed)
    }
}
