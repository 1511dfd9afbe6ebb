use std::sync::Arc;

use corelog_base::{NodeId, PartitionIndex};

use super::*;
use crate::testing::{apply, cluster, create, id, node, set, spec};
use crate::{ClusterId, ConfigScope, Image, Kind, Local, Record};

/// A plan is refused, with a kind and words that name what is wrong.
#[track_caller]
fn refused<T: std::fmt::Debug>(plan: Result<T, crate::Error>, kind: Kind, says: &str) {
    let error = plan.unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.message.contains(says), "{error}");
}

fn nodes(all: &[i32]) -> Vec<NodeId> {
    all.iter().copied().map(NodeId).collect()
}

/// The nodes of each partition of the one topic that the records make or extend.
fn placed(records: &[Record]) -> Vec<(i32, Vec<i32>)> {
    let partitions = match records {
        [Record::TopicCreated(created)] => &created.partitions,
        [Record::PartitionsAdded { partitions, .. }] => partitions,
        other => panic!("{other:?}"),
    };
    let of = |p: &crate::Partition| (p.index.0, p.replicas.iter().map(|r| r.node.0).collect());
    partitions.iter().map(of).collect()
}

/// An image of a node whose file says these.
fn with_file(pairs: &[(&str, &str)]) -> Image {
    let mut local = Local::new(NodeId(0));
    for (name, value) in pairs {
        local.set(name, value).unwrap();
    }
    let mut image = Image::new(Arc::new(local));
    let _ = apply(&mut image, &[Record::Node(node(0))]);
    image
}

#[test]
fn a_topic_takes_the_brokers_defaults() {
    for (image, count) in [(cluster(1), 1), (with_file(&[("num.partitions", "3")]), 3)] {
        let records = plan_create_topic(&image, &spec("t", -1), id(1)).unwrap();
        assert_eq!(placed(&records).len(), count);
    }
}

#[test]
fn names_that_are_illegal_taken_or_collide_are_refused() {
    let mut image = cluster(1);
    let _ = create(&mut image, id(1), &spec("a.b", 1));
    for (name, kind, says) in [
        ("", Kind::InvalidTopic, "empty"),
        ("a b", Kind::InvalidTopic, "' '"),
        ("a.b", Kind::TopicExists, "a.b"),
        (
            "a_b",
            Kind::InvalidTopic,
            "collides with the existing topic a.b",
        ),
    ] {
        refused(plan_create_topic(&image, &spec(name, 1), id(2)), kind, says);
    }
}

#[test]
fn counts_are_positive_and_bounded() {
    let image = cluster(2);
    for count in [0, -2, i32::MIN, 50_001, i32::MAX] {
        let plan = plan_create_topic(&image, &spec("t", count), id(1));
        refused(plan, Kind::InvalidPartitions, "partitions");
    }
    let most = plan_create_topic(&image, &spec("t", 50_000), id(1)).unwrap();
    assert_eq!(placed(&most).len(), 50_000);
    for (replication, says) in [(0, "positive"), (-2, "positive"), (3, "there are 2")] {
        let mut wanted = spec("t", 1);
        wanted.replication = replication;
        let plan = plan_create_topic(&image, &wanted, id(1));
        refused(plan, Kind::InvalidReplicationFactor, says);
    }
}

#[test]
fn the_cluster_has_a_bound_too() {
    let mut image = cluster(1);
    for n in 0..10 {
        let _ = create(&mut image, id(n), &spec(&format!("t{n}"), 50_000));
    }
    assert_eq!(image.partition_count(), PARTITIONS_MAX);
    let plan = plan_create_topic(&image, &spec("one", 1), id(99));
    refused(plan, Kind::PolicyViolation, "500000");
    let _ = image.apply(&Record::TopicDeleted(id(0)));
    let more = NewPartitions {
        topic: "t1".into(),
        total: 50_001,
        assignments: Vec::new(),
    };
    refused(
        plan_add_partitions(&image, &more),
        Kind::InvalidPartitions,
        "50000",
    );
    let _ = create(&mut image, id(99), &spec("one", 50_000));
}

#[test]
fn assignments_are_taken_as_they_are_or_refused() {
    let image = cluster(3);
    let plan = |partitions, replication, assignments: &[(i32, &[i32])]| {
        let wanted = TopicSpec {
            name: "t".into(),
            partitions,
            replication,
            assignments: assignments
                .iter()
                .map(|(index, all)| (PartitionIndex(*index), nodes(all)))
                .collect(),
            configs: Vec::new(),
        };
        plan_create_topic(&image, &wanted, id(1))
    };
    let records = plan(-1, -1, &[(1, &[2, 0]), (0, &[1, 2])]).unwrap();
    assert_eq!(placed(&records), [(0, vec![1, 2]), (1, vec![2, 0])]);
    refused(plan(1, -1, &[(0, &[0])]), Kind::InvalidRequest, "-1");
    refused(plan(-1, 1, &[(0, &[0])]), Kind::InvalidRequest, "-1");
    type Assigned<'a> = &'a [(i32, &'a [i32])];
    let bad: [(Assigned<'_>, &str); 6] = [
        (&[(1, &[0])], "without a gap"),
        (&[(0, &[0]), (0, &[1])], "without a gap"),
        (&[(0, &[])], "no replicas"),
        (&[(0, &[0, 1]), (1, &[0])], "2 replicas are expected, not 1"),
        (&[(0, &[7])], "broker 7 is not registered"),
        (&[(0, &[1, 1])], "twice"),
    ];
    for (assignments, says) in bad {
        refused(
            plan(-1, -1, assignments),
            Kind::InvalidReplicaAssignment,
            says,
        );
    }
}

#[test]
fn configurations_of_a_new_topic_are_checked() {
    let image = cluster(1);
    let plan = |configs: &[(&str, Option<&str>)]| {
        let mut wanted = spec("t", 1);
        let owned =
            |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
        wanted.configs = configs.iter().map(owned).collect();
        plan_create_topic(&image, &wanted, id(1))
    };
    let good = plan(&[("cleanup.policy", Some(" compact , delete "))]).unwrap();
    let [Record::TopicCreated(created)] = &good[..] else {
        panic!("{good:?}");
    };
    assert_eq!(created.configs["cleanup.policy"], "compact,delete");
    for (configs, kind, says) in [
        (
            &[("retention.mss", Some("1"))][..],
            Kind::InvalidConfig,
            "did you mean retention.ms?",
        ),
        (
            &[("retention.ms", None)],
            Kind::InvalidConfig,
            "has no value",
        ),
        (
            &[("retention.ms", Some("soon"))],
            Kind::InvalidConfig,
            "whole number",
        ),
        (
            &[("retention.ms", Some("1")), ("retention.ms", Some("2"))],
            Kind::InvalidRequest,
            "twice",
        ),
    ] {
        refused(plan(configs), kind, says);
    }
}

#[test]
fn partitions_are_added_where_the_topic_ends() {
    let mut image = cluster(3);
    let mut wanted = spec("t", 2);
    wanted.replication = 2;
    let _ = create(&mut image, id(1), &wanted);
    let plan = |topic: &str, total, assignments: &[&[i32]]| {
        let more = NewPartitions {
            topic: topic.into(),
            total,
            assignments: assignments.iter().map(|all| nodes(all)).collect(),
        };
        plan_add_partitions(&image, &more)
    };
    let added = placed(&plan("t", 5, &[]).unwrap());
    let indexes: Vec<i32> = added.iter().map(|(index, _)| *index).collect();
    assert_eq!(indexes, [2, 3, 4]);
    assert!(added.iter().all(|(_, replicas)| replicas.len() == 2));
    let given = placed(&plan("t", 3, &[&[2, 1]]).unwrap());
    assert_eq!(given, [(2, vec![2, 1])]);
    refused(plan("none", 5, &[]), Kind::UnknownTopic, "none");
    for total in [2, 1, 0, -1] {
        refused(
            plan("t", total, &[]),
            Kind::InvalidPartitions,
            "no increase",
        );
    }
    refused(
        plan("t", 4, &[&[0, 1]]),
        Kind::InvalidReplicaAssignment,
        "2 new partitions",
    );
    refused(
        plan("t", 3, &[&[0]]),
        Kind::InvalidReplicaAssignment,
        "2 replicas",
    );
}

#[test]
fn deletion_needs_the_topic_and_the_permission() {
    let mut image = cluster(1);
    let _ = create(&mut image, id(1), &spec("t", 1));
    refused(
        plan_delete_topic(&image, id(2)),
        Kind::UnknownTopicId,
        "no topic",
    );
    assert_eq!(
        plan_delete_topic(&image, id(1)),
        Ok(vec![Record::TopicDeleted(id(1))])
    );
    let mut image = with_file(&[("delete.topic.enable", "false")]);
    let _ = create(&mut image, id(1), &spec("t", 1));
    refused(
        plan_delete_topic(&image, id(1)),
        Kind::DeletionDisabled,
        "delete.topic.enable",
    );
}

fn change(name: &str, operation: ConfigOperation, value: Option<&str>) -> ConfigChange {
    ConfigChange {
        name: name.into(),
        operation,
        value: value.map(str::to_owned),
    }
}

/// What one record changes; empty if there is none.
fn changed(records: &[Record]) -> Vec<(String, Option<String>)> {
    match records {
        [] => Vec::new(),
        [Record::ConfigsChanged(changed)] => changed.changes.clone().into_iter().collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn configurations_change_and_only_what_differs_is_written() {
    use ConfigOperation::{Append, Delete, Set, Subtract};
    let mut image = cluster(1);
    let mut wanted = spec("t", 1);
    wanted
        .configs
        .push(("retention.ms".into(), Some("5".into())));
    let _ = create(&mut image, id(1), &wanted);
    let topic = ConfigResource::Topic("t".into());
    let plan = |changes: &[ConfigChange], replace| {
        changed(&plan_configs(&image, &topic, changes, replace).unwrap())
    };
    let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    let none = |name: &str| (name.to_owned(), None);
    assert_eq!(plan(&[change("retention.ms", Set, Some("5"))], false), []);
    assert_eq!(
        plan(&[change("retention.ms", Set, Some(" 6 "))], false),
        [some("retention.ms", "6")]
    );
    assert_eq!(
        plan(&[change("retention.ms", Delete, None)], false),
        [none("retention.ms")]
    );
    // What was never set is not removed, and a list begins with its default.
    assert_eq!(plan(&[change("segment.ms", Delete, None)], false), []);
    assert_eq!(
        plan(&[change("cleanup.policy", Append, Some("compact"))], false),
        [some("cleanup.policy", "delete,compact")]
    );
    // With `replace`, what is not named goes.
    assert_eq!(
        plan(&[change("segment.ms", Set, Some("9"))], true),
        [none("retention.ms"), some("segment.ms", "9")]
    );
    let refuse = |changes: &[ConfigChange], kind, says| {
        refused(plan_configs(&image, &topic, changes, false), kind, says);
    };
    let empty = [change("cleanup.policy", Subtract, Some("delete"))];
    refuse(&empty, Kind::InvalidConfig, "cleanup.policy");
    let no_list = [change("retention.ms", Append, Some("5"))];
    refuse(&no_list, Kind::InvalidConfig, "no list");
    let twice = [set("retention.ms", "1"), set("retention.ms", "2")];
    refuse(&twice, Kind::InvalidRequest, "twice");
    let no_value = [change("retention.ms", Set, None)];
    refuse(&no_value, Kind::InvalidConfig, "no value");
}

#[test]
fn configurations_of_brokers_say_what_can_be_changed_how() {
    let image = cluster(1);
    let broker = ConfigResource::Broker(NodeId(0));
    let plan = |resource: &ConfigResource, name: &str, value: &str| {
        plan_configs(&image, resource, &[set(name, value)], false)
    };
    let records = plan(&broker, "log.retention.ms", "5").unwrap();
    let [Record::ConfigsChanged(changed)] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(changed.scope, ConfigScope::Broker(NodeId(0)));
    // The section is that of the configuration file.
    refused(
        plan(&broker, "socket.request.max.bytes", "5000000"),
        Kind::InvalidRequest,
        "under [broker]",
    );
    refused(
        plan(&broker, "log.dirs", "/x"),
        Kind::InvalidRequest,
        "--data",
    );
    refused(
        plan(&broker, "log.retention.mss", "5"),
        Kind::InvalidConfig,
        "did you mean log.retention.ms?",
    );
    refused(
        plan(&ConfigResource::Broker(NodeId(9)), "log.retention.ms", "5"),
        Kind::InvalidRequest,
        "broker 9",
    );
    refused(
        plan(&ConfigResource::Topic("t".into()), "retention.ms", "5"),
        Kind::UnknownTopic,
        "t",
    );
}

#[test]
fn a_cluster_begins_once_and_nodes_are_written_when_they_differ() {
    let mut image = Image::default();
    let records = plan_bootstrap(&image, ClusterId([5; 16]));
    assert_eq!(records[0], Record::Cluster(ClusterId([5; 16])));
    let _ = apply(&mut image, &records);
    assert_eq!(plan_bootstrap(&image, ClusterId([6; 16])), []);
    let records = plan_register_node(&image, &node(1)).unwrap();
    let _ = apply(&mut image, &records);
    assert_eq!(plan_register_node(&image, &node(1)), Ok(Vec::new()));
    let mut moved = node(1);
    moved.port = 1;
    assert_eq!(
        plan_register_node(&image, &moved),
        Ok(vec![Record::Node(moved.clone())])
    );
    let bad = [
        (
            "id",
            crate::Node {
                id: NodeId(-1),
                ..node(1)
            },
        ),
        (
            "cores",
            crate::Node {
                cores: 0,
                ..node(1)
            },
        ),
        (
            "host",
            crate::Node {
                host: String::new(),
                ..node(1)
            },
        ),
        ("port", crate::Node { port: 0, ..node(1) }),
    ];
    for (what, node) in bad {
        let plan = plan_register_node(&image, &node);
        refused(plan, Kind::InvalidRequest, what);
    }
}

#[test]
fn producer_ids_come_in_blocks_that_do_not_overlap() {
    let mut image = cluster(1);
    let mut end = 0;
    for _ in 0..3 {
        let (ids, records) = plan_producer_ids(&image);
        assert_eq!(ids, end..end + PRODUCER_IDS_A_BLOCK);
        let _ = apply(&mut image, &records);
        end = ids.end;
    }
}

#[test]
fn names_that_come_twice() {
    let found = repeated(["a", "b", "a", "c", "c"].into_iter());
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "c"]);
}
