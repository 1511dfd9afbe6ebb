use std::time::Duration;

use super::*;
use crate::testing::{apply, cluster, create, id, set, spec};
use crate::{
    ConfigResource, NewPartitions, plan_add_partitions, plan_configs, plan_delete_topic,
    plan_producer_ids,
};

fn configure(image: &mut Image, resource: &ConfigResource, name: &str, value: &str) -> Change {
    let records = plan_configs(image, resource, &[set(name, value)], false).unwrap();
    apply(image, &records)
}

#[test]
fn a_topic_comes_grows_and_goes() {
    let mut image = cluster(1);
    let topic = id(1);
    let change = create(&mut image, topic, &spec("orders", 2));
    assert_eq!(change, Change::TopicCreated { topic });
    let found = image.topic_named("orders").unwrap();
    assert_eq!((found.id, found.partition_count()), (topic, 2));
    assert_eq!(image.partition_count(), 2);
    let more = NewPartitions {
        topic: "orders".into(),
        total: 5,
        assignments: Vec::new(),
    };
    let records = plan_add_partitions(&image, &more).unwrap();
    let change = apply(&mut image, &records);
    assert_eq!(change, Change::PartitionsAdded { topic });
    let found = image.topic(topic).unwrap();
    let indexes: Vec<i32> = found.partitions().iter().map(|p| p.index.0).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    assert!(found.partition(PartitionIndex(5)).is_none());
    assert!(found.partition(PartitionIndex(-1)).is_none());
    let groups: Vec<_> = found
        .partitions()
        .iter()
        .map(|p| (p.index, p.group))
        .collect();
    let records = plan_delete_topic(&image, topic).unwrap();
    let change = apply(&mut image, &records);
    assert_eq!(change, Change::TopicDeleted { topic, groups });
    assert!(image.topic(topic).is_none() && image.topic_named("orders").is_none());
    assert_eq!(image.partition_count(), 0);
}

#[test]
fn a_name_can_be_taken_again_and_an_id_of_a_group_cannot() {
    let mut image = cluster(1);
    let _ = create(&mut image, id(1), &spec("a.b", 3));
    let before = image.next_group();
    let _ = image.apply(&Record::TopicDeleted(id(1)));
    let _ = create(&mut image, id(2), &spec("a_b", 1));
    let topic = image.topic(id(2)).unwrap();
    assert_eq!(topic.partitions()[0].group, before);
    assert!(image.next_group() > before);
}

#[test]
fn groups_and_replicas_are_numbered_once() {
    let mut image = cluster(3);
    for n in 0..4 {
        let mut wanted = spec(&format!("t{n}"), 5);
        wanted.replication = 3;
        let _ = create(&mut image, id(n), &wanted);
    }
    let partitions: Vec<&Partition> = image.topics().flat_map(Topic::partitions).collect();
    let mut groups: Vec<u64> = partitions.iter().map(|p| p.group.0).collect();
    let replicas = partitions.iter().flat_map(|p| &p.replicas);
    let mut ids: Vec<u64> = replicas.map(|r| r.id).collect();
    for numbers in [&mut groups, &mut ids] {
        numbers.sort_unstable();
        let count = numbers.len() as u64;
        assert_eq!(*numbers, (1..=count).collect::<Vec<u64>>());
    }
    assert_eq!((groups.len(), ids.len()), (20, 60));
}

#[test]
fn layers_of_configuration_are_resolved_for_every_topic() {
    let mut image = cluster(1);
    let _ = create(&mut image, id(1), &spec("t", 1));
    let age = |image: &Image| image.settings(id(1)).retention_age;
    let days = |n: u64| Some(Duration::from_secs(n * 86_400));
    assert_eq!(age(&image), days(7));
    let change = configure(
        &mut image,
        &ConfigResource::Brokers,
        "log.retention.ms",
        "172800000",
    );
    assert_eq!(change, Change::BrokersConfigured);
    assert_eq!(age(&image), days(2));
    let broker = ConfigResource::Broker(NodeId(0));
    let _ = configure(&mut image, &broker, "log.retention.ms", "86400000");
    assert_eq!(age(&image), days(1));
    let topic = ConfigResource::Topic("t".into());
    let change = configure(&mut image, &topic, "retention.ms", "-1");
    assert_eq!(change, Change::TopicConfigured { topic: id(1) });
    assert_eq!(age(&image), None);
    // A topic that is not there has what one without configurations would have.
    assert_eq!(image.settings(id(9)).retention_age, days(1));
    let _ = image.apply(&Record::ConfigsChanged(ConfigsChanged {
        scope: ConfigScope::Topic(id(1)),
        changes: [("retention.ms".to_owned(), None)].into(),
    }));
    assert_eq!(age(&image), days(1));
    // Configurations of another node do not count here.
    let _ = image.apply(&Record::ConfigsChanged(ConfigsChanged {
        scope: ConfigScope::Broker(NodeId(4)),
        changes: [("log.retention.ms".to_owned(), Some("5".to_owned()))].into(),
    }));
    assert_eq!(age(&image), days(1));
}

#[test]
fn a_value_that_is_not_legal_any_more_is_passed_over() {
    let mut image = cluster(1);
    let mut wanted = spec("t", 1);
    wanted
        .configs
        .push(("segment.bytes".into(), Some("2097152".into())));
    let _ = create(&mut image, id(1), &wanted);
    assert_eq!(image.settings(id(1)).segment_bytes, 2 << 20);
    let _ = image.apply(&Record::ConfigsChanged(ConfigsChanged {
        scope: ConfigScope::Topic(id(1)),
        changes: [("segment.bytes".to_owned(), Some("many".to_owned()))].into(),
    }));
    assert_eq!(image.settings(id(1)).segment_bytes, 1 << 30);
}

#[test]
fn a_snapshot_gives_the_same_image() {
    let mut image = cluster(2);
    let _ = create(&mut image, id(1), &spec("gone", 4));
    let _ = create(&mut image, id(2), &spec("a.b", 3));
    let _ = image.apply(&Record::TopicDeleted(id(1)));
    let _ = configure(
        &mut image,
        &ConfigResource::Topic("a.b".into()),
        "retention.ms",
        "5",
    );
    let _ = configure(
        &mut image,
        &ConfigResource::Brokers,
        "log.retention.ms",
        "6",
    );
    let broker = ConfigResource::Broker(NodeId(1));
    let _ = configure(&mut image, &broker, "log.segment.bytes", "1048576");
    let (ids, records) = plan_producer_ids(&image);
    let _ = apply(&mut image, &records);
    let snapshot = image.snapshot();
    let mut other = cluster(1);
    let _ = create(&mut other, id(7), &spec("other", 1));
    assert_eq!(other.apply(&snapshot), Change::Everything);
    assert_eq!(other, image);
    // What was given out before stays given out.
    assert_eq!(plan_producer_ids(&other).0.start, ids.end);
    let _ = create(&mut other, id(3), &spec("next", 1));
    assert_eq!(
        other.topic(id(3)).unwrap().partitions()[0].group,
        image.next_group()
    );
    assert!(other.colliding("a_b").is_some());
}

#[test]
fn topics_come_by_name() {
    let mut image = cluster(1);
    for (n, name) in [(1, "b"), (2, "c"), (3, "a")] {
        let _ = create(&mut image, id(n), &spec(name, 1));
    }
    let names: Vec<&str> = image.topics().map(|topic| topic.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
#[should_panic(expected = "one id for ever")]
fn another_cluster_id_is_a_bug() {
    let _ = cluster(1).apply(&Record::Cluster(ClusterId([6; 16])));
}

#[test]
#[should_panic(expected = "no gaps")]
fn a_gap_between_partitions_is_a_bug() {
    let mut image = cluster(1);
    let _ = create(&mut image, id(1), &spec("t", 1));
    let mut partition = image.topic(id(1)).unwrap().partitions()[0].clone();
    partition.index = PartitionIndex(2);
    let _ = image.apply(&Record::PartitionsAdded {
        topic: id(1),
        partitions: vec![partition],
    });
}

#[test]
#[should_panic(expected = "never given twice")]
fn producer_ids_that_go_back_are_a_bug() {
    let mut image = cluster(1);
    let (_, records) = plan_producer_ids(&image);
    let _ = apply(&mut image, &records);
    let _ = image.apply(&Record::ProducerIds { next: 1 });
}
