//! What is written is read, and nothing else is.

use corelog_base::{GroupId, NodeId, PartitionIndex, Replica, TopicId};
use corelog_fuzz::{Counting, Fuzz, Seed};

use super::*;
use crate::ClusterId;
use crate::record::{ConfigScope, ConfigsChanged, Node, Partition, Snapshot, TopicCreated};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn partition(index: i32) -> Partition {
    Partition {
        index: PartitionIndex(index),
        group: GroupId(100 + u64::from(index.unsigned_abs())),
        replicas: vec![Replica {
            id: 7,
            node: NodeId(1),
        }],
    }
}

/// One of each kind.
fn samples() -> Vec<Record> {
    let node = Node {
        id: NodeId(1),
        host: "a.example".into(),
        port: 9092,
        cores: 4,
        rack: Some("left".into()),
    };
    let topic = TopicCreated {
        id: TopicId([9; 16]),
        name: "orders".into(),
        partitions: (0..3).map(partition).collect(),
        configs: [("retention.ms".into(), "1".into())].into(),
    };
    let changed = ConfigsChanged {
        scope: ConfigScope::Broker(NodeId(1)),
        changes: [("a".into(), None), ("b".into(), Some("2".into()))].into(),
    };
    let snapshot = Snapshot {
        cluster: Some(ClusterId([3; 16])),
        nodes: vec![node.clone()],
        topics: vec![topic.clone()],
        brokers: [("c".into(), "3".into())].into(),
        broker: [(NodeId(1), [("d".into(), "4".into())].into())].into(),
        features: [("metadata".into(), 1)].into(),
        next_group: GroupId(200),
        next_replica: 8,
        next_producer: 1000,
    };
    vec![
        Record::Cluster(ClusterId([3; 16])),
        Record::Node(node),
        Record::PartitionsAdded {
            topic: topic.id,
            partitions: vec![partition(3)],
        },
        Record::TopicDeleted(topic.id),
        Record::TopicCreated(topic),
        Record::ConfigsChanged(changed),
        Record::ProducerIds { next: 5 },
        Record::Feature {
            name: "metadata".into(),
            level: 1,
        },
        Record::Snapshot(Box::new(snapshot)),
    ]
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    let all = samples();
    for record in &all {
        let one = std::slice::from_ref(record);
        assert_eq!(decode(&encode(one)).expect("it is sound"), one);
    }
    assert_eq!(decode(&encode(&all)).expect("it is sound"), all);
    assert_eq!(decode(&encode(&[])).expect("it is sound"), []);
}

#[test]
fn what_is_cut_or_longer_is_refused() {
    let bytes = encode(&samples());
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err(), "{end}");
    }
    assert!(decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn mutations() {
    let fuzz = Fuzz::from_env(1);
    let seeds: Vec<Seed> = samples()
        .into_iter()
        .map(|record| Seed {
            label: format!("{record:?}"),
            bytes: encode(&[record]).to_vec(),
        })
        .collect();
    let mut accepted = 0;
    fuzz.run("metadata records", &seeds, |bytes| {
        accepted += u64::from(decode(bytes).is_ok());
    });
    assert!(accepted > seeds.len() as u64, "no mutant is sound");
}
