//! Where replicas go: on which nodes, and on which core of a node.

use corelog_base::{CoreId, GroupId, NodeId};

/// The core of a node with `cores` cores that owns a group. The metadata group is on core 0.
/// With another number of cores the answer changes: the node keeps the number with an epoch, and
/// moves what must move before it serves.
///
/// # Panics
/// If `cores` is 0.
pub fn core_of(group: GroupId, cores: u16) -> CoreId {
    assert!(cores > 0);
    let core = group.0 % u64::from(cores);
    CoreId(u16::try_from(core).expect("less than a u16"))
}

/// Round-robin: partition `i` starts at node `start + i`; its followers stand `1 + shift` further,
/// and the shift grows each time that all nodes have led once, so that the followers of one node's
/// partitions are spread over all others (Kafka's scheme).
///
/// # Panics
/// If `replication` is 0 or more than there are nodes.
pub(crate) fn place(
    nodes: &[NodeId],
    start: u64,
    partitions: std::ops::Range<u32>,
    replication: usize,
) -> Vec<Vec<NodeId>> {
    assert!(replication > 0 && replication <= nodes.len());
    let count = nodes.len() as u64;
    let at = |i: u64| nodes[usize::try_from(i % count).expect("less than a usize")];
    partitions
        .map(|partition| {
            let turn = start + u64::from(partition);
            let shift = turn / count;
            let followers = (0..replication as u64 - 1)
                .map(|follower| at(turn + 1 + (shift + follower) % (count - 1)));
            std::iter::once(at(turn)).chain(followers).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::collections::BTreeSet;

    #[test]
    fn cores_are_used_evenly() {
        assert_eq!(core_of(GroupId::METADATA, 3), CoreId(0));
        let cores: Vec<u16> = (1..7).map(|g| core_of(GroupId(g), 3).0).collect();
        assert_eq!(cores, [1, 2, 0, 1, 2, 0]);
        assert_eq!(core_of(GroupId(u64::MAX), u16::MAX).0, 0);
    }

    #[test]
    fn replicas_are_distinct_and_spread() {
        let nodes: Vec<NodeId> = (0..5).map(NodeId).collect();
        let placed = place(&nodes, 3, 0..20, 3);
        let mut leads = BTreeMap::new();
        let mut pairs = BTreeSet::new();
        for replicas in &placed {
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3);
            *leads.entry(replicas[0]).or_insert(0) += 1;
            pairs.insert((replicas[0], replicas[1]));
        }
        assert!(leads.values().all(|count| *count == 4), "{leads:?}");
        // Four turns: each leader's first follower is another one each time.
        assert_eq!(pairs.len(), 20);
    }

    #[test]
    fn one_node() {
        assert_eq!(place(&[NodeId(7)], 9, 0..2, 1), [[NodeId(7)], [NodeId(7)]]);
    }
}
