use corelog_base::TopicId;
use corelog_wire::kafka::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResponse, AlterableConfig,
    CreatableTopic, CreatableTopicConfig, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopic, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicState,
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};

use super::describe_configs::{BROKER, TOPIC};
use crate::node::{Client, batch, check, check_with};

const NONE: ErrorCode = ErrorCode::NONE;

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic<'_> {
    CreatableTopic {
        name,
        num_partitions,
        replication_factor,
        ..Default::default()
    }
}

async fn create(
    client: &mut Client,
    version: i16,
    topics: Vec<CreatableTopic<'_>>,
    validate_only: bool,
) -> Vec<(String, ErrorCode, i32)> {
    let request = CreateTopicsRequest {
        topics: topics.into(),
        timeout_ms: 5000,
        validate_only,
    };
    let body = client.ask(version, &request).await;
    let response = CreateTopicsResponse::decode(version, &body).unwrap();
    let topics = response.topics.iter();
    topics
        .map(|t| (t.name.to_owned(), t.error_code, t.num_partitions))
        .collect()
}

#[test]
fn topics_are_created_with_every_version() {
    check(|node| async move {
        let mut client = node.client(1).await;
        let names = ["v2", "v3", "v4", "v5", "v6", "v7"];
        for (version, name) in (2..=7).zip(names) {
            let created = create(&mut client, version, vec![topic(name, 2, 1)], false).await;
            assert_eq!(
                (created[0].1, created.len()),
                (NONE, 1),
                "version {version}"
            );
            assert_eq!(client.produce(name, 1, &batch(&["one"])).await, (NONE, 0));
        }
    });
}

#[test]
fn creations_are_checked_each_on_its_own() {
    check(|node| async move {
        let mut client = node.client(0).await;
        create(&mut client, 7, vec![topic("old", 1, 1)], false).await;
        let mut configured = topic("configured", 1, 1);
        let config = |name, value| CreatableTopicConfig {
            name,
            value: Some(value),
        };
        configured.configs = vec![config("retention.ms", "never")].into();
        let topics = vec![
            topic("good", -1, -1),
            topic("old", 1, 1),
            topic("no good", 1, 1),
            topic("twice", 1, 1),
            topic("twice", 1, 1),
            topic("zero", 0, 1),
            topic("three", 1, 3),
            configured,
        ];
        let created = create(&mut client, 7, topics, false).await;
        let codes: Vec<ErrorCode> = created.iter().map(|(_, code, _)| *code).collect();
        let expected = [
            NONE,
            ErrorCode::TOPIC_ALREADY_EXISTS,
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            ErrorCode::INVALID_REQUEST,
            ErrorCode::INVALID_REQUEST,
            ErrorCode::INVALID_PARTITIONS,
            ErrorCode::INVALID_REPLICATION_FACTOR,
            ErrorCode::INVALID_CONFIG,
        ];
        assert_eq!(codes, expected);
        assert_eq!(created[0].2, 1);
        // What is only validated is not there afterwards.
        for _ in 0..2 {
            let created = create(&mut client, 7, vec![topic("dry", 5, 1)], true).await;
            assert_eq!(created, [("dry".to_owned(), NONE, 5)]);
        }
        let written = client.produce("dry", 0, &batch(&["one"])).await;
        assert_eq!(written.0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    });
}

#[test]
fn a_created_topic_tells_its_configuration() {
    check(|node| async move {
        let mut client = node.client(0).await;
        let mut asked = topic("t", 1, 1);
        let config = CreatableTopicConfig {
            name: "retention.ms",
            value: Some("5000"),
        };
        asked.configs = vec![config].into();
        let request = CreateTopicsRequest {
            topics: vec![asked].into(),
            ..Default::default()
        };
        let body = client.ask(7, &request).await;
        let response = CreateTopicsResponse::decode(7, &body).unwrap();
        let created = response.topics.first().unwrap();
        assert_ne!(created.topic_id, TopicId::ZERO);
        let configs = created.configs.unwrap();
        let find = |name| configs.iter().find(|config| config.name == name).unwrap();
        let (set, default) = (find("retention.ms"), find("max.message.bytes"));
        assert_eq!((set.value, set.config_source), (Some("5000"), 1));
        assert_eq!((default.value, default.config_source), (Some("1048588"), 5));
    });
}

async fn delete(
    client: &mut Client,
    version: i16,
    topics: Vec<DeleteTopicState<'_>>,
) -> Vec<(Option<String>, ErrorCode)> {
    let names: Vec<&str> = topics.iter().filter_map(|topic| topic.name).collect();
    let request = DeleteTopicsRequest {
        topics: topics.into(),
        topic_names: names.into(),
        timeout_ms: 5000,
    };
    let body = client.ask(version, &request).await;
    let response = DeleteTopicsResponse::decode(version, &body).unwrap();
    let responses = response.responses.iter();
    responses
        .map(|r| (r.name.map(str::to_owned), r.error_code))
        .collect()
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    check(|node| async move {
        let mut client = node.client(0).await;
        let by_name = |name| DeleteTopicState {
            name: Some(name),
            topic_id: TopicId::ZERO,
        };
        for version in 1..=5 {
            node.topic("t", &[]).await;
            let deleted = delete(&mut client, version, vec![by_name("t"), by_name("none")]).await;
            let expected = [
                (Some("t".to_owned()), NONE),
                (
                    Some("none".to_owned()),
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ),
            ];
            assert_eq!(deleted, expected, "version {version}");
            let written = client.produce("t", 0, &batch(&["one"])).await;
            assert_eq!(written.0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        let by_id = |topic_id| DeleteTopicState {
            name: None,
            topic_id,
        };
        let (a, b) = (node.topic("a", &[]).await, node.topic("b", &[]).await);
        let both = DeleteTopicState {
            name: Some("b"),
            topic_id: b,
        };
        let asked = vec![by_id(a), by_id(a), by_id(TopicId([1; 16])), both];
        let deleted = delete(&mut client, 6, asked).await;
        let codes: Vec<ErrorCode> = deleted.iter().map(|(_, code)| *code).collect();
        let (invalid, unknown) = (ErrorCode::INVALID_REQUEST, ErrorCode::UNKNOWN_TOPIC_ID);
        assert_eq!(codes, [NONE, invalid, unknown, invalid]);
        assert_eq!(deleted[0].0.as_deref(), Some("a"));
    });
}

#[test]
fn deletion_can_be_switched_off() {
    let configure = |local: &mut corelog_cluster::Local| {
        local.set("delete.topic.enable", "false").unwrap();
    };
    check_with(configure, |node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let asked = DeleteTopicState {
            name: Some("t"),
            topic_id: TopicId::ZERO,
        };
        let deleted = delete(&mut client, 6, vec![asked]).await;
        assert_eq!(deleted[0].1, ErrorCode::TOPIC_DELETION_DISABLED);
    });
}

#[test]
fn partitions_are_added() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        for (version, total) in (0..=3).zip(5..) {
            let wanted = |name, count| CreatePartitionsTopic {
                name,
                count,
                assignments: None,
            };
            let request = CreatePartitionsRequest {
                topics: vec![wanted("t", total), wanted("none", 2)].into(),
                timeout_ms: 5000,
                validate_only: false,
            };
            let body = client.ask(version, &request).await;
            let response = CreatePartitionsResponse::decode(version, &body).unwrap();
            let results = response.results.iter().map(|r| (r.name, r.error_code));
            let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            assert_eq!(
                results.collect::<Vec<_>>(),
                [("t", NONE), ("none", unknown)]
            );
            let written = client.produce("t", total - 1, &batch(&["one"])).await;
            assert_eq!(written, (NONE, 0));
            // No increase.
            let body = client.ask(version, &request).await;
            let response = CreatePartitionsResponse::decode(version, &body).unwrap();
            let again = response.results.first().unwrap();
            assert_eq!(again.error_code, ErrorCode::INVALID_PARTITIONS);
        }
    });
}

#[test]
fn records_are_deleted() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(1).await;
        client.produce("t", 0, &batch(&["a", "b", "c"])).await;
        client.produce("t", 0, &batch(&["d"])).await;
        assert_eq!(client.trim("t", 0, 2).await, (NONE, 2));
        // Backwards it does not go.
        assert_eq!(client.trim("t", 0, 1).await, (NONE, 2));
        for offset in [5, -2] {
            assert_eq!(
                client.trim("t", 0, offset).await,
                (ErrorCode::OFFSET_OUT_OF_RANGE, -1)
            );
        }
        assert_eq!(client.trim("t", 0, -1).await, (NONE, 4));
        let unknown = (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1);
        assert_eq!(client.trim("t", 9, 0).await, unknown);
        assert_eq!(client.trim("none", 0, 0).await, unknown);
    });
}

async fn increment(
    client: &mut Client,
    resource_type: i8,
    resource_name: &str,
    changes: &[(&'static str, i8, Option<&'static str>)],
) -> ErrorCode {
    let changes = changes
        .iter()
        .map(|(name, operation, value)| IncrementalAlterableConfig {
            name,
            config_operation: *operation,
            value: *value,
        });
    let resource = IncrementalAlterConfigsResource {
        resource_type,
        resource_name,
        configs: changes.collect(),
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![resource].into(),
        validate_only: false,
    };
    let body = client.ask(1, &request).await;
    let response = IncrementalAlterConfigsResponse::decode(1, &body).unwrap();
    response.responses.first().unwrap().error_code
}

#[test]
fn configurations_change_step_by_step() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let large = batch(&["x".repeat(300).as_str()]);
        let set = [("max.message.bytes", 0, Some("200"))];
        assert_eq!(increment(&mut client, TOPIC, "t", &set).await, NONE);
        let refused = client.produce("t", 0, &large).await.0;
        assert_eq!(refused, ErrorCode::MESSAGE_TOO_LARGE);
        let appended = [("cleanup.policy", 2, Some("compact"))];
        assert_eq!(increment(&mut client, TOPIC, "t", &appended).await, NONE);
        let refused = client.produce("t", 0, &batch(&["no key"])).await.0;
        assert_eq!(refused, ErrorCode::INVALID_RECORD);
        let back = [
            ("cleanup.policy", 3, Some("compact")),
            ("max.message.bytes", 1, None),
        ];
        assert_eq!(increment(&mut client, TOPIC, "t", &back).await, NONE);
        assert_eq!(client.produce("t", 0, &large).await, (NONE, 0));
        let dynamic = [("message.max.bytes", 0, Some("200"))];
        assert_eq!(increment(&mut client, BROKER, "", &dynamic).await, NONE);
        let refused = client.produce("t", 0, &large).await.0;
        assert_eq!(refused, ErrorCode::MESSAGE_TOO_LARGE);
        for (kind, name, change, expected) in [
            (TOPIC, "none", set[0], ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            (
                TOPIC,
                "t",
                ("retention", 0, Some("1")),
                ErrorCode::INVALID_CONFIG,
            ),
            (
                TOPIC,
                "t",
                ("retention.ms", 9, Some("1")),
                ErrorCode::INVALID_REQUEST,
            ),
            // What Kafka's tool for reassignments removes afterwards, set or not.
            (
                BROKER,
                "0",
                ("leader.replication.throttled.rate", 1, None),
                NONE,
            ),
            (
                BROKER,
                "0",
                ("no.such.rate", 1, None),
                ErrorCode::INVALID_CONFIG,
            ),
            (BROKER, "9", dynamic[0], ErrorCode::INVALID_REQUEST),
            (32, "group", set[0], ErrorCode::INVALID_REQUEST),
        ] {
            assert_eq!(
                increment(&mut client, kind, name, &[change]).await,
                expected
            );
        }
    });
}

#[test]
fn configurations_are_replaced() {
    check(|node| async move {
        node.topic("t", &[("max.message.bytes", "100")]).await;
        let mut client = node.client(0).await;
        for version in 0..=2 {
            let config = AlterableConfig {
                name: "retention.ms",
                value: Some("100000"),
            };
            let resource = AlterConfigsResource {
                resource_type: TOPIC,
                resource_name: "t",
                configs: vec![config].into(),
            };
            let request = AlterConfigsRequest {
                resources: vec![resource.clone(), resource].into(),
                validate_only: false,
            };
            let body = client.ask(version, &request).await;
            let response = AlterConfigsResponse::decode(version, &body).unwrap();
            let codes: Vec<ErrorCode> = response.responses.iter().map(|r| r.error_code).collect();
            assert_eq!(codes, [NONE, ErrorCode::INVALID_REQUEST]);
        }
        // The bound is back at its default.
        let large = batch(&["x".repeat(300).as_str()]);
        assert_eq!(client.produce("t", 0, &large).await, (NONE, 0));
    });
}
