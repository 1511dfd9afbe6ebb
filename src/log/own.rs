//! Entries in memory of their own.
//!
//! A small batch is a slice of the frame in which it came, and would hold all of that for as long as
//! it stays. So it is copied: with those next to it, because memory that has just been freed for good
//! is in no cache any more, and an allocation for each would wait for it.

use bytes::Bytes;
use corelog_base::Entry;

/// What is larger keeps the frame that it came in.
const OWN_BYTES: usize = 16 << 10;
/// Entries of a group that are copied into one piece: whoever holds one of them holds no more.
const PIECE_BYTES: usize = 16 << 10;

/// Copies what is small.
pub(crate) fn own(entries: &mut [Entry]) {
    let mut left = entries;
    while !left.is_empty() {
        let count = small(left);
        let (now, later) = left.split_at_mut(count.max(1));
        if count > 0 {
            copy(now);
        }
        left = later;
    }
}

/// How many from the first on go into one piece.
fn small(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let goes = entries.iter().take_while(|entry| {
        bytes += entry.data.len();
        entry.data.len() < OWN_BYTES && bytes <= PIECE_BYTES
    });
    goes.count()
}

fn copy(entries: &mut [Entry]) {
    let bytes = entries.iter().map(|entry| entry.data.len()).sum();
    let mut piece = Vec::with_capacity(bytes);
    for entry in entries.iter() {
        piece.extend_from_slice(&entry.data);
    }
    let mut piece = Bytes::from(piece);
    for entry in entries {
        entry.data = piece.split_to(entry.data.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corelog_base::{EntryKind, LogIndex, Offset, Term};

    fn check(sizes: &[usize], pieces: &[usize]) {
        let frame = Bytes::from(vec![7; 100_000]);
        let mut entries: Vec<Entry> = (1..)
            .zip(sizes)
            .map(|(index, size)| Entry {
                index: LogIndex(index),
                term: Term(1),
                kind: EntryKind::Batch,
                base_offset: Offset(0),
                next_offset: Offset(1),
                data: frame.slice(..*size),
            })
            .collect();
        own(&mut entries);
        let mut found = Vec::new();
        let mut end = std::ptr::null();
        for (entry, size) in entries.iter().zip(sizes) {
            assert_eq!(entry.data, frame.slice(..*size));
            let range = entry.data.as_ptr_range();
            let is_own = !frame.as_ptr_range().contains(&range.start);
            assert_eq!(is_own, *size < OWN_BYTES);
            match found.last_mut() {
                Some(count) if range.start == end && is_own => *count += 1,
                _ => found.push(1),
            }
            end = range.end;
        }
        assert_eq!(found, pieces);
    }

    #[test]
    fn neighbours_share_a_piece_and_what_is_large_stays() {
        check(&[100], &[1]);
        check(&[1000, 2000, 3000], &[3]);
        check(&[10_000, 6_000, 1000, 1000], &[2, 2]);
        check(&[1000, 20_000, 20_000, 1000, 1000], &[1, 1, 1, 2]);
    }
}
