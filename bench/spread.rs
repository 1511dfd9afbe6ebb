//! Which connection has which partitions.

use corelog_base::{Offset, PartitionIndex};

/// What a partition holds when the run starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub index: PartitionIndex,
    pub first: Offset,
    pub end: Offset,
}

/// The partitions of one connection, and the place of their owner in the list of owners.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Share {
    pub owner: usize,
    pub partitions: Vec<Span>,
}

/// Spreads connections over the owners of partitions, by turns, and an owner's partitions over its
/// connections. Where there are more connections than partitions, they share.
pub(crate) fn spread(owners: &[&[Span]], connections: usize) -> Vec<Share> {
    let connections = connections.max(owners.len());
    let mut parts = Vec::new();
    for (at, partitions) in owners.iter().enumerate() {
        let count = (at..connections).step_by(owners.len()).count();
        for turn in 0..count {
            let mine = partitions.iter().skip(turn).step_by(count);
            let mut mine: Vec<Span> = mine.copied().collect();
            if mine.is_empty() {
                let shared = partitions.iter().cycle().skip(turn);
                mine.extend(shared.take(1));
            }
            parts.push(Share {
                owner: at,
                partitions: mine,
            });
        }
    }
    parts
}

/// Like [`spread`], but no two connections have the same partition.
pub(crate) fn divide(owners: &[&[Span]], connections: usize) -> Vec<Share> {
    let mut parts = spread(owners, connections);
    let mut taken = std::collections::BTreeSet::new();
    for share in &mut parts {
        share.partitions.retain(|span| taken.insert(span.index));
    }
    parts.retain(|share| !share.partitions.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(partitions: std::ops::Range<i32>) -> Vec<Span> {
        let span = |index| Span {
            index: PartitionIndex(index),
            first: Offset(0),
            end: Offset(0),
        };
        partitions.map(span).collect()
    }

    fn check(parts: Vec<Share>, expected: &[(usize, &[i32])]) {
        let parts: Vec<(usize, Vec<i32>)> = parts
            .iter()
            .map(|share| {
                let indexes = share.partitions.iter().map(|span| span.index.0);
                (share.owner, indexes.collect())
            })
            .collect();
        let expected: Vec<(usize, Vec<i32>)> = expected
            .iter()
            .map(|(owner, all)| (*owner, all.to_vec()))
            .collect();
        assert_eq!(parts, expected);
    }

    #[test]
    fn partitions_are_spread_over_connections() {
        let (one, three) = (spans(0..1), spans(0..3));
        check(spread(&[&three], 1), &[(0, &[0, 1, 2])]);
        check(spread(&[&three], 2), &[(0, &[0, 2]), (0, &[1])]);
        check(spread(&[&one], 2), &[(0, &[0]), (0, &[0])]);
        let (a, b) = (spans(0..2), spans(2..3));
        check(spread(&[&a, &b], 1), &[(0, &[0, 1]), (1, &[2])]);
        check(spread(&[&a, &b], 3), &[(0, &[0]), (0, &[1]), (1, &[2])]);
        check(divide(&[&one], 2), &[(0, &[0])]);
    }
}
