//! Images for tests: a cluster with nodes and topics, made by planned records only.

use corelog_base::{NodeId, TopicId};

use crate::{
    Change, ClusterId, ConfigChange, ConfigOperation, Image, Node, Record, TopicSpec,
    plan_bootstrap, plan_create_topic, plan_register_node,
};

pub(crate) fn id(n: u8) -> TopicId {
    TopicId([n; 16])
}

pub(crate) fn node(id: i32) -> Node {
    Node {
        id: NodeId(id),
        host: format!("b{id}"),
        port: 9092,
        cores: 2,
        rack: None,
    }
}

pub(crate) fn spec(name: &str, partitions: i32) -> TopicSpec {
    TopicSpec {
        name: name.into(),
        partitions,
        replication: -1,
        ..TopicSpec::default()
    }
}

pub(crate) fn set(name: &str, value: &str) -> ConfigChange {
    ConfigChange {
        name: name.into(),
        operation: ConfigOperation::Set,
        value: Some(value.into()),
    }
}

/// Applies all; what the last one changed.
pub(crate) fn apply(image: &mut Image, records: &[Record]) -> Change {
    let changes = records.iter().map(|record| image.apply(record));
    changes.last().unwrap_or(Change::Nothing)
}

/// A cluster of so many nodes, from 0 on.
pub(crate) fn cluster(nodes: i32) -> Image {
    let mut image = Image::default();
    let records = plan_bootstrap(&image, ClusterId([5; 16]));
    let _ = apply(&mut image, &records);
    for n in 0..nodes {
        let records = plan_register_node(&image, &node(n)).unwrap();
        let _ = apply(&mut image, &records);
    }
    image
}

pub(crate) fn create(image: &mut Image, topic: TopicId, spec: &TopicSpec) -> Change {
    let records = plan_create_topic(image, spec, topic).unwrap();
    apply(image, &records)
}
