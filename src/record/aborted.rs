//! What a consumer that reads committed records leaves out.

use std::collections::BTreeSet;

use corelog_base::{Offset, ProducerId};

use crate::BatchHeader;

/// The type of a control record that ends a transaction without effect; its key is a version and
/// a type, both i16.
const ABORT: [u8; 2] = [0, 0];

/// The aborted transactions that reach into fetched batches, walked along with these.
#[derive(Debug, Default)]
pub struct Aborted {
    /// Those to come, by descending first offset.
    ahead: Vec<(Offset, ProducerId)>,
    open: BTreeSet<ProducerId>,
}

impl Aborted {
    pub fn new(mut transactions: Vec<(Offset, ProducerId)>) -> Self {
        transactions.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            ahead: transactions,
            open: BTreeSet::new(),
        }
    }

    /// Whether the next batch belongs to an aborted transaction. `mark` is the key of a control
    /// batch's record.
    pub fn hides(&mut self, header: &BatchHeader, mark: Option<&[u8]>) -> bool {
        while let Some((first, producer)) = self.ahead.last()
            && *first <= header.last_offset()
        {
            self.open.insert(*producer);
            self.ahead.pop();
        }
        if mark.and_then(|key| key.get(2..4)) == Some(&ABORT) {
            self.open.remove(&header.producer_id);
        }
        header.attributes.is_transactional() && self.open.contains(&header.producer_id)
    }
}
