use corelog_base::{NodeId, TopicId};
use corelog_wire::kafka::{
    Array, CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest, CreateTopicsResponse,
    ErrorCode, MetadataRequest, MetadataRequestTopic, MetadataResponse,
};

use crate::node::{Client, batch, check, check_with};

fn named(names: &[&'static str]) -> MetadataRequest<'static> {
    let topics = names.iter().map(|name| MetadataRequestTopic {
        topic_id: TopicId::ZERO,
        name: Some(name),
    });
    MetadataRequest {
        topics: Some(topics.collect()),
        allow_auto_topic_creation: false,
        ..Default::default()
    }
}

fn by_id(id: TopicId) -> MetadataRequest<'static> {
    let topic = MetadataRequestTopic {
        topic_id: id,
        name: None,
    };
    MetadataRequest {
        topics: Some(vec![topic].into()),
        ..Default::default()
    }
}

/// Each topic's name, code and number of partitions.
async fn ask(
    client: &mut Client,
    version: i16,
    request: &MetadataRequest<'_>,
) -> Vec<(Option<String>, ErrorCode, usize)> {
    let body = client.ask(version, request).await;
    let response = MetadataResponse::decode(version, &body).unwrap();
    let topics = response.topics.iter();
    topics
        .map(|t| (t.name.map(str::to_owned), t.error_code, t.partitions.len()))
        .collect()
}

fn found(name: &str, code: ErrorCode, partitions: usize) -> (Option<String>, ErrorCode, usize) {
    (Some(name.to_owned()), code, partitions)
}

const NONE: ErrorCode = ErrorCode::NONE;
const UNKNOWN: ErrorCode = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;

#[test]
fn null_and_empty_mean_what_the_version_says() {
    check(|node| async move {
        node.topic("a", &[]).await;
        node.topic("b", &[]).await;
        let all = [found("a", NONE, 4), found("b", NONE, 4)];
        let mut client = node.client(1).await;
        let (empty, null) = (
            MetadataRequest {
                topics: Some(Array::EMPTY),
                ..Default::default()
            },
            MetadataRequest {
                topics: None,
                ..Default::default()
            },
        );
        assert_eq!(ask(&mut client, 0, &empty).await, all);
        for version in 1..=13 {
            assert_eq!(ask(&mut client, version, &empty).await, []);
            assert_eq!(ask(&mut client, version, &null).await, all);
        }
        // Named twice, told once.
        let twice = named(&["b", "b", "none"]);
        let expected = [found("b", NONE, 4), found("none", UNKNOWN, 0)];
        assert_eq!(ask(&mut client, 9, &twice).await, expected);
    });
}

#[test]
fn brokers_cluster_and_leaders() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let body = client.ask(12, &named(&["t"])).await;
        let response = MetadataResponse::decode(12, &body).unwrap();
        let broker = response.brokers.first().unwrap();
        assert_eq!(
            (broker.node_id, broker.host, broker.port),
            (0, "broker.test", 9092)
        );
        assert_eq!(response.brokers.len(), 1);
        assert_eq!(response.cluster_id.unwrap().len(), 22);
        assert_eq!(response.controller_id, 0);
        let topic = response.topics.first().unwrap();
        assert_eq!((topic.topic_id, topic.is_internal), (id, false));
        assert_eq!(topic.topic_authorized_operations, i32::MIN);
        for (partition, index) in topic.partitions.iter().zip(0..) {
            assert_eq!(partition.error_code, NONE);
            assert_eq!((partition.partition_index, partition.leader_id), (index, 0));
            assert!(partition.leader_epoch >= 1);
            assert_eq!(partition.replica_nodes.iter().collect::<Vec<_>>(), [0]);
            assert_eq!(partition.isr_nodes.iter().collect::<Vec<_>>(), [0]);
            assert!(partition.offline_replicas.is_empty());
        }
        let request = MetadataRequest {
            include_topic_authorized_operations: true,
            ..named(&["t"])
        };
        let body = client.ask(12, &request).await;
        let response = MetadataResponse::decode(12, &body).unwrap();
        assert!(response.topics.first().unwrap().topic_authorized_operations > 0);
    });
}

#[test]
fn cluster_id_from_version_2_on_and_topic_ids_from_10() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        for version in 0..=13 {
            let body = client.ask(version, &named(&["t"])).await;
            let response = MetadataResponse::decode(version, &body).unwrap();
            assert_eq!(response.cluster_id.is_some(), version >= 2, "{version}");
            let told = response.topics.first().unwrap().topic_id;
            let expected = if version >= 10 { id } else { TopicId::ZERO };
            assert_eq!(told, expected, "{version}");
        }
    });
}

#[test]
fn a_partition_without_a_known_leader() {
    check(|node| async move {
        let mut client = node.client(0).await;
        node.register_other(NodeId(1)).await;
        let assignment = CreatableReplicaAssignment {
            partition_index: 0,
            broker_ids: vec![1].into(),
        };
        let topic = CreatableTopic {
            name: "elsewhere",
            num_partitions: -1,
            replication_factor: -1,
            assignments: vec![assignment].into(),
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![topic].into(),
            timeout_ms: 5000,
            ..Default::default()
        };
        let body = client.ask(7, &request).await;
        let created = CreateTopicsResponse::decode(7, &body).unwrap();
        assert_eq!(created.topics.first().unwrap().error_code, NONE);
        let body = client.ask(12, &named(&["elsewhere"])).await;
        let response = MetadataResponse::decode(12, &body).unwrap();
        assert_eq!(response.brokers.len(), 2);
        let topic = response.topics.first().unwrap();
        assert_eq!(topic.error_code, NONE);
        let partition = topic.partitions.first().unwrap();
        assert_eq!(partition.error_code, ErrorCode::LEADER_NOT_AVAILABLE);
        assert_eq!(partition.leader_id, -1);
        assert_eq!(partition.replica_nodes.iter().collect::<Vec<_>>(), [1]);
    });
}

#[test]
fn topics_by_id_from_version_12_on() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        for version in [12, 13] {
            let expected = [found("t", NONE, 4)];
            assert_eq!(ask(&mut client, version, &by_id(id)).await, expected);
            let unknown = by_id(TopicId([5; 16]));
            let expected = [(None, ErrorCode::UNKNOWN_TOPIC_ID, 0)];
            assert_eq!(ask(&mut client, version, &unknown).await, expected);
        }
        let found = ask(&mut client, 10, &by_id(id)).await;
        assert_eq!(found.first().unwrap().1, ErrorCode::INVALID_REQUEST);
    });
}

#[test]
fn topics_are_created_where_request_and_broker_permit_it() {
    let automatic = |names: &[&'static str]| MetadataRequest {
        allow_auto_topic_creation: true,
        ..named(names)
    };
    let configure = |local: &mut corelog_cluster::Local| {
        local.set("auto.create.topics.enable", "true").unwrap();
        local.set("num.partitions", "3").unwrap();
    };
    check_with(configure, move |node| async move {
        let mut client = node.client(1).await;
        let expected = [found("new", UNKNOWN, 0)];
        assert_eq!(ask(&mut client, 9, &named(&["new"])).await, expected);
        let expected = [
            found("new", NONE, 3),
            found("no good", ErrorCode::INVALID_TOPIC_EXCEPTION, 0),
        ];
        assert_eq!(
            ask(&mut client, 9, &automatic(&["new", "no good"])).await,
            expected
        );
        // Versions below 4 have no flag, and always create.
        assert_eq!(
            ask(&mut client, 1, &named(&["old"])).await,
            [found("old", NONE, 3)]
        );
        assert_eq!(client.produce("new", 2, &batch(&["one"])).await, (NONE, 0));
    });
    let configure = |local: &mut corelog_cluster::Local| {
        local.set("auto.create.topics.enable", "false").unwrap();
    };
    check_with(configure, move |node| async move {
        let mut client = node.client(0).await;
        let expected = [found("new", UNKNOWN, 0)];
        assert_eq!(ask(&mut client, 9, &automatic(&["new"])).await, expected);
    });
}

#[test]
fn two_connections_create_one_topic() {
    check(|node| async move {
        let mut clients = vec![node.client(0).await, node.client(1).await];
        let request = MetadataRequest {
            allow_auto_topic_creation: true,
            ..named(&["new"])
        };
        for client in &mut clients {
            client.send(12, &request).await;
        }
        let mut ids = Vec::new();
        for client in &mut clients {
            let frame = client.frame().await.unwrap();
            let response = MetadataResponse::decode(12, &frame[5..]).unwrap();
            // Who comes second may be asked to come again.
            let code = response.topics.first().unwrap().error_code;
            assert!(
                matches!(code, NONE | ErrorCode::LEADER_NOT_AVAILABLE),
                "{code}"
            );
        }
        for client in &mut clients {
            let body = client.ask(12, &request).await;
            let response = MetadataResponse::decode(12, &body).unwrap();
            let topic = response.topics.first().unwrap();
            assert_eq!(topic.error_code, NONE);
            ids.push(topic.topic_id);
        }
        assert_eq!(ids[0], ids[1]);
    });
}
