use corelog_wire::kafka::{
    Cursor, DescribableLogDirTopic, DescribeClusterRequest, DescribeClusterResponse,
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest,
    DescribeProducersResponse, DescribeProducersTopic, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, DescribeTopicPartitionsTopic, ErrorCode,
    InitProducerIdRequest, InitProducerIdResponse,
};

use corelog_base::{ProducerEpoch, ProducerId, TimestampMs};
use corelog_record::{BatchBuilder, Codec, ProducerState};

use super::describe_configs::{BROKER, TOPIC};
use crate::node::{Client, batch, check};

const NONE: ErrorCode = ErrorCode::NONE;

fn resource(resource_type: i8, resource_name: &str) -> DescribeConfigsResource<'_> {
    DescribeConfigsResource {
        resource_type,
        resource_name,
        configuration_keys: None,
    }
}

#[test]
fn every_configuration_is_told_with_default_and_source() {
    check(|node| async move {
        node.topic("t", &[("retention.ms", "5000")]).await;
        let mut client = node.client(0).await;
        for version in 1..=4 {
            let request = DescribeConfigsRequest {
                resources: vec![resource(TOPIC, "t"), resource(BROKER, "0")].into(),
                include_synonyms: true,
                include_documentation: true,
            };
            let body = client.ask(version, &request).await;
            let response = DescribeConfigsResponse::decode(version, &body).unwrap();
            let results: Vec<_> = response.results.iter().collect();
            assert!(results.iter().all(|result| result.error_code == NONE));
            let topic = &results[0].configs;
            assert_eq!(topic.len(), corelog_cluster::topic_definitions().len());
            let find = |name| topic.iter().find(|config| config.name == name).unwrap();
            let (set, default) = (find("retention.ms"), find("segment.bytes"));
            assert_eq!((set.value, set.config_source), (Some("5000"), 1));
            assert_eq!(
                (default.value, default.config_source),
                (Some("1073741824"), 5)
            );
            let synonyms: Vec<_> = set.synonyms.iter().map(|s| (s.name, s.source)).collect();
            assert!(
                synonyms.len() >= 2 && synonyms[0] == ("retention.ms", 1),
                "{synonyms:?}"
            );
            if version >= 3 {
                assert_eq!(set.config_type, 5);
                assert!(set.documentation.is_some_and(|text| !text.is_empty()));
            }
            let broker = &results[1].configs;
            assert_eq!(broker.len(), corelog_cluster::broker_definitions().len());
        }
    });
}

#[test]
fn configurations_that_are_not_there() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let some = DescribeConfigsResource {
            configuration_keys: Some(vec!["retention.ms", "none"].into()),
            ..resource(TOPIC, "t")
        };
        let request = DescribeConfigsRequest {
            resources: vec![
                some,
                resource(BROKER, ""),
                resource(TOPIC, "none"),
                resource(TOPIC, "no good"),
                resource(BROKER, "9"),
                resource(8, "0"),
                resource(TOPIC, "none"),
            ]
            .into(),
            ..Default::default()
        };
        let body = client.ask(4, &request).await;
        let response = DescribeConfigsResponse::decode(4, &body).unwrap();
        let results = response.results.iter();
        let results: Vec<_> = results.map(|r| (r.error_code, r.configs.len())).collect();
        let expected = [
            (NONE, 1),
            (NONE, 0),
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 0),
            (ErrorCode::INVALID_TOPIC_EXCEPTION, 0),
            (ErrorCode::INVALID_REQUEST, 0),
            (ErrorCode::INVALID_REQUEST, 0),
            (ErrorCode::INVALID_REQUEST, 0),
        ];
        assert_eq!(results, expected);
    });
}

#[test]
fn the_cluster() {
    check(|node| async move {
        let mut client = node.client(0).await;
        for version in 0..=2 {
            for (endpoint_type, expected) in [
                (1, NONE),
                (2, ErrorCode::MISMATCHED_ENDPOINT_TYPE),
                (3, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE),
            ] {
                let request = DescribeClusterRequest {
                    endpoint_type,
                    ..Default::default()
                };
                let body = client.ask(version, &request).await;
                let response = DescribeClusterResponse::decode(version, &body).unwrap();
                if version == 0 || expected == NONE {
                    assert_eq!(response.error_code, NONE);
                    assert_eq!((response.controller_id, response.cluster_id.len()), (0, 22));
                    assert_eq!(response.cluster_authorized_operations, i32::MIN);
                    let broker = response.brokers.first().unwrap();
                    assert_eq!((broker.broker_id, broker.host), (0, "broker.test"));
                } else {
                    assert_eq!(response.error_code, expected);
                    assert!(response.brokers.is_empty());
                }
            }
        }
    });
}

async fn page(
    client: &mut Client,
    names: &[&'static str],
    limit: i32,
    cursor: Option<(String, i32)>,
) -> (Vec<(String, ErrorCode, Vec<i32>)>, Option<(String, i32)>) {
    let topics = names
        .iter()
        .map(|name| DescribeTopicPartitionsTopic { name });
    let request = DescribeTopicPartitionsRequest {
        topics: topics.collect(),
        response_partition_limit: limit,
        cursor: cursor.as_ref().map(|(name, index)| Cursor {
            topic_name: name,
            partition_index: *index,
        }),
    };
    let body = client.ask(0, &request).await;
    let response = DescribeTopicPartitionsResponse::decode(0, &body).unwrap();
    let topics = response.topics.iter().map(|topic| {
        let indexes = topic.partitions.iter().map(|p| p.partition_index);
        (
            topic.name.unwrap().to_owned(),
            topic.error_code,
            indexes.collect(),
        )
    });
    let cursor = response.next_cursor.as_ref();
    let cursor = cursor.map(|c| (c.topic_name.to_owned(), c.partition_index));
    (topics.collect(), cursor)
}

#[test]
fn topics_come_page_by_page() {
    check(|node| async move {
        for name in ["b", "a", "c"] {
            node.topic(name, &[]).await;
        }
        let mut client = node.client(0).await;
        let (mut cursor, mut pages) = (None, Vec::new());
        loop {
            let (topics, next) = page(&mut client, &[], 6, cursor).await;
            pages.push(topics);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        let own = |name: &str, indexes: &[i32]| (name.to_owned(), NONE, indexes.to_vec());
        let expected = [
            vec![own("a", &[0, 1, 2, 3]), own("b", &[0, 1])],
            vec![own("b", &[2, 3]), own("c", &[0, 1, 2, 3])],
        ];
        assert_eq!(pages, expected);
        // Named topics come in order too, and a page ends where a topic does.
        let (topics, next) = page(&mut client, &["c", "none", "a"], 4, None).await;
        assert_eq!(topics, [own("a", &[0, 1, 2, 3])]);
        assert_eq!(next, Some(("c".to_owned(), 0)));
        let (topics, next) = page(&mut client, &["c", "none", "a"], 9, next).await;
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let none = ("none".to_owned(), unknown, vec![]);
        assert_eq!(topics, [own("c", &[0, 1, 2, 3]), none]);
        assert_eq!(next, None);
    });
}

#[test]
fn the_data_directory_and_what_partitions_take() {
    check(|node| async move {
        node.topic("t", &[]).await;
        node.topic("u", &[]).await;
        let mut client = node.client(0).await;
        client.produce("t", 1, &batch(&["one"])).await;
        for version in 1..=4 {
            let body = client
                .ask(version, &DescribeLogDirsRequest::default())
                .await;
            let response = DescribeLogDirsResponse::decode(version, &body).unwrap();
            let result = response.results.first().unwrap();
            assert_eq!((result.error_code, result.log_dir), (NONE, "/data"));
            let names: Vec<_> = result
                .topics
                .iter()
                .map(|t| (t.name, t.partitions.len()))
                .collect();
            assert_eq!(names, [("t", 4), ("u", 4)]);
            if version == 4 {
                assert!(result.total_bytes >= result.usable_bytes && result.usable_bytes > 0);
            }
            let request = DescribeLogDirsRequest {
                topics: Some(
                    vec![DescribableLogDirTopic {
                        topic: "t",
                        partitions: vec![1].into(),
                    }]
                    .into(),
                ),
            };
            let body = client.ask(version, &request).await;
            let response = DescribeLogDirsResponse::decode(version, &body).unwrap();
            let topics = response.results.first().unwrap().topics;
            let topic = topics.first().unwrap();
            assert_eq!(
                (topics.len(), topic.name, topic.partitions.len()),
                (1, "t", 1)
            );
            let partition = topic.partitions.first().unwrap();
            assert_eq!(partition.partition_index, 1);
        }
    });
}

#[test]
fn producers_that_partitions_remember() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let body = client.ask(4, &InitProducerIdRequest::default()).await;
        let id = InitProducerIdResponse::decode(4, &body)
            .unwrap()
            .producer_id;
        let mut builder = BatchBuilder::new(Codec::None);
        builder.producer(ProducerState {
            id: ProducerId(id),
            epoch: ProducerEpoch(0),
            base_sequence: 0,
        });
        for value in [b"one", b"two"] {
            let now = TimestampMs(1_700_000_000_000);
            builder.push(now, None, Some(value), &[]).unwrap();
        }
        assert_eq!(client.produce("t", 2, &builder.finish()).await.0, NONE);
        let topic = DescribeProducersTopic {
            name: "t",
            partition_indexes: vec![2, 0, 9].into(),
        };
        let request = DescribeProducersRequest {
            topics: vec![topic].into(),
        };
        let body = client.ask(0, &request).await;
        let response = DescribeProducersResponse::decode(0, &body).unwrap();
        let partitions = response.topics.first().unwrap().partitions;
        let found: Vec<_> = partitions
            .iter()
            .map(|p| (p.error_code, p.active_producers.len()))
            .collect();
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(found, [(NONE, 1), (NONE, 0), (unknown, 0)]);
        let producer = partitions
            .first()
            .unwrap()
            .active_producers
            .first()
            .unwrap();
        assert_eq!((producer.producer_id, producer.producer_epoch), (id, 0));
        assert_eq!(
            (producer.last_sequence, producer.current_txn_start_offset),
            (1, -1)
        );
    });
}
