//! Each API, asked by a client on another machine.

use std::time::Duration;

use bytes::Bytes;
use corelog_rt::Runtime;
use corelog_wire::native::v1::*;
use corelog_wire::native::{Api, v2};

use super::client::{Client, fetch, part, produce};
use crate::node::{batch, check, check_with, values};

const NONE: i16 = 0;
const UNKNOWN_TOPIC: i16 = 3;

#[test]
fn hello_tells_who_this_is_and_where_each_partition_is() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        for core in 0..2 {
            let mut client = Client::connect(&node, core).await;
            let request = HelloRequest {
                client: "test".into(),
                software: "test 1".into(),
                ranges: Vec::new(),
            };
            let answer = client.ask(&request).await;
            let view = answer.view();
            let hello = view.read::<HelloResponse>().unwrap();
            assert_eq!(hello.error, NONE);
            assert_eq!(hello.core, core);
            assert_eq!(hello.host, "broker.test");
            let ports: Vec<u16> = hello.ports.iter().map(|p| p.to_native()).collect();
            assert_eq!(ports, [9192, 9193]);
            assert_eq!(hello.ranges.len(), Api::ALL.len());
            assert_eq!(hello.topics.len(), 1);
            let topic = &hello.topics[0];
            assert_eq!((topic.name.as_str(), topic.id), ("t", id.0));
            let cores: Vec<u16> = topic
                .partitions
                .iter()
                .map(|p| p.core.to_native())
                .collect();
            assert!(cores.contains(&0) && cores.contains(&1), "{cores:?}");
            assert!(
                topic
                    .partitions
                    .iter()
                    .all(|p| p.leader == 0 && p.epoch >= 0)
            );
        }
    });
}

#[test]
fn metadata_creates_what_kafkas_clients_could_create() {
    let ask = |create| MetadataRequest {
        topics: Some(vec!["new".into(), "no good".into()]),
        create,
    };
    let errors = |answer: &super::client::Answer| {
        let view = answer.view();
        let metadata = view.read::<MetadataResponse>().unwrap();
        let errors = metadata.topics.iter().map(|t| t.error.to_native());
        errors.collect::<Vec<i16>>()
    };
    check(move |node| async move {
        let mut client = Client::connect(&node, 1).await;
        assert_eq!(errors(&client.ask(&ask(false)).await), [3, 3]);
        assert_eq!(errors(&client.ask(&ask(true)).await), [NONE, 17]);
        let all = MetadataRequest {
            topics: None,
            create: true,
        };
        assert_eq!(errors(&client.ask(&all).await), [NONE]);
    });
    let off = |local: &mut corelog_cluster::Local| {
        local.set("auto.create.topics.enable", "false").unwrap();
    };
    check_with(off, move |node| async move {
        let mut client = Client::connect(&node, 1).await;
        assert_eq!(errors(&client.ask(&ask(true)).await), [3, 3]);
    });
}

#[test]
fn topics_are_made_and_deleted() {
    check(|node| async move {
        let mut client = Client::connect(&node, 1).await;
        for (dry, expected) in [(true, NONE), (false, NONE), (false, 36)] {
            let request = CreateTopicRequest {
                name: "t".into(),
                partitions: 2,
                replicas: -1,
                configs: vec![Config {
                    name: "retention.ms".into(),
                    value: "1000".into(),
                }],
                dry,
            };
            let answer = client.ask(&request).await;
            let view = answer.view();
            let created = view.read::<CreateTopicResponse>().unwrap();
            assert_eq!(created.error, expected, "{}", created.message.as_str());
        }
        let request = DescribeTopicRequest { name: "t".into() };
        let answer = client.ask(&request).await;
        let view = answer.view();
        let described = view.read::<DescribeTopicResponse>().unwrap();
        assert!(described.error == NONE && described.replicas == 1);
        let config = |name| described.configs.iter().find(|c| c.name == name).unwrap();
        for (name, value, source) in [("retention.ms", "1000", 1), ("durability", "disk", 5)] {
            let found = config(name);
            let told = found.value.as_ref().map(|value| value.as_str());
            assert_eq!((told, found.source), (Some(value), source));
        }
        for expected in [NONE, UNKNOWN_TOPIC] {
            let request = DeleteTopicRequest { name: "t".into() };
            let answer = client.ask(&request).await;
            let view = answer.view();
            let deleted = view.read::<DeleteTopicResponse>().unwrap();
            assert_eq!(deleted.error, expected, "{}", deleted.message.as_str());
        }
        let answer = client.ask(&request).await;
        let view = answer.view();
        let described = view.read::<DescribeTopicResponse>().unwrap();
        assert_eq!(described.error, UNKNOWN_TOPIC);
        assert!(described.configs.is_empty());
    });
}

/// Batches that one protocol takes are given by the other, byte for byte.
#[test]
fn either_protocol_reads_what_the_other_wrote() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut kafka = node.client(0).await;
        for partition in 0..4 {
            let mut native = Client::connect(&node, 1).await;
            let (error, offset) = native
                .produce(id.0, partition, &batch(&["one", "two"]))
                .await;
            assert_eq!((error, offset), (NONE, 0));
            let (code, offset) = kafka.produce("t", partition, &batch(&["three"])).await;
            assert!(code.is_none() && offset == 2);
            let (error, found) = native.fetch(id.0, partition, 0).await;
            assert_eq!(error, NONE);
            assert_eq!(found, kafka.fetch_bytes("t", partition, 0).await);
            let expected = [(0, "one"), (1, "two"), (2, "three")];
            assert_eq!(values(&found), expected.map(|(o, v)| (o, v.to_owned())));
        }
    });
}

#[test]
fn a_produce_answers_each_part_in_its_version() {
    check(|node| async move {
        let id = node
            .topic("t", &[("message.timestamp.type", "LogAppendTime")])
            .await;
        let mut client = Client::connect(&node, 0).await;
        let good = batch(&["one"]);
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        let bytes = good.len() as u32;
        let place = |topic, partition, position| ProducePart {
            topic,
            partition,
            position,
            bytes,
        };
        let parts = vec![
            place(id.0, 0, 0),
            place(id.0, 1, bytes),
            place([5; 16], 0, 2 * bytes),
            place(id.0, 99, 3 * bytes),
        ];
        let payload = || {
            vec![
                good.clone().freeze(),
                bad.clone().freeze(),
                Bytes::from([&good[..], &good].concat()),
            ]
        };
        let errors = [NONE, 2, 100, UNKNOWN_TOPIC];
        let request = ProduceRequest {
            acks: 1,
            timeout_ms: 0,
            parts,
        };
        let answer = client.ask_with(&request, payload()).await;
        let view = answer.view();
        let response = view.read::<ProduceResponse>().unwrap();
        let found: Vec<i16> = response.parts.iter().map(|p| p.error.to_native()).collect();
        assert_eq!(found, errors);
        assert_eq!(response.parts[0].base_offset, 0);
        let answer = client
            .ask_with(&v2::ProduceRequest::from(request), payload())
            .await;
        let view = answer.view();
        let response = view.read::<v2::ProduceResponse>().unwrap();
        let found: Vec<i16> = response.parts.iter().map(|p| p.error.to_native()).collect();
        assert_eq!(found, errors);
        let first = &response.parts[0];
        assert_eq!(
            (first.base_offset.to_native(), first.log_start.to_native()),
            (1, 0)
        );
        assert!(first.append_time > 0);
    });
}

#[test]
fn acks_are_one_or_all() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = Client::connect(&node, 0).await;
        let one = batch(&["one"]).freeze();
        for (acks, expected) in [(-1, NONE), (1, NONE), (0, 21), (2, 21)] {
            let request = v2::ProduceRequest {
                acks,
                ..produce(id.0, 0, one.len())
            };
            let answer = client.ask_with(&request, vec![one.clone()]).await;
            let view = answer.view();
            let response = view.read::<v2::ProduceResponse>().unwrap();
            assert_eq!(response.parts[0].error, expected, "{acks}");
        }
    });
}

#[test]
fn produces_overlap_and_are_answered_in_order() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = Client::connect(&node, 0).await;
        let batch = batch(&["one"]).freeze();
        let mut sent = Vec::new();
        for turn in 0..50 {
            let request = produce(id.0, turn % 4, batch.len());
            sent.push(client.send(&request, vec![batch.clone()]).await);
        }
        for (turn, correlation) in sent.into_iter().enumerate() {
            let answer = client.frame().await.unwrap();
            assert_eq!(answer.header.correlation, correlation);
            let view = answer.view();
            let response = view.read::<v2::ProduceResponse>().unwrap();
            assert_eq!(response.parts[0].error, NONE);
            assert_eq!(response.parts[0].base_offset, turn as i64 / 4);
        }
    });
}

#[test]
fn a_fetch_waits_for_records_and_tells_errors() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let (mut reader, mut writer) = (
            Client::connect(&node, 0).await,
            Client::connect(&node, 1).await,
        );
        let started = node.runtime().now();
        let request = FetchRequest {
            wait_max_ms: 60_000,
            ..fetch(id.0, 2, 0)
        };
        reader.send(&request, Vec::new()).await;
        node.runtime().sleep(Duration::from_secs(1)).await;
        writer.produce(id.0, 2, &batch(&["late"])).await;
        let answer = reader.frame().await.unwrap();
        assert!(node.runtime().now().since(started) < Duration::from_secs(2));
        let view = answer.view();
        let response = view.read::<FetchResponse>().unwrap();
        let fetched = &response.parts[0];
        assert_eq!(
            (
                fetched.high_watermark.to_native(),
                fetched.log_start.to_native()
            ),
            (1, 0)
        );
        assert_eq!(values(answer.bytes_of(fetched)), [(0, "late".to_owned())]);
        let wrong = FetchRequest {
            parts: vec![
                part(id.0, 0, 7),
                part([1; 16], 0, 0),
                FetchPart {
                    epoch: 1000,
                    ..part(id.0, 1, 0)
                },
            ],
            ..fetch(id.0, 0, 0)
        };
        let answer = reader.ask(&wrong).await;
        let view = answer.view();
        let response = view.read::<FetchResponse>().unwrap();
        let errors: Vec<i16> = response.parts.iter().map(|p| p.error.to_native()).collect();
        assert_eq!(errors, [1, 100, 75]);
    });
}

#[test]
fn offsets_are_found_by_place_and_time() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = Client::connect(&node, 1).await;
        for _ in 0..3 {
            client.produce(id.0, 1, &batch(&["one", "two"])).await;
        }
        let ask = |time| ListPart {
            topic: id.0,
            partition: 1,
            epoch: -1,
            time,
        };
        let request = ListOffsetsRequest {
            parts: [-1, -2, -3, 1_600_000_000_000, i64::MAX, -9]
                .map(ask)
                .to_vec(),
        };
        let answer = client.ask(&request).await;
        let view = answer.view();
        let response = view.read::<ListOffsetsResponse>().unwrap();
        let found = response
            .parts
            .iter()
            .map(|p| (p.error.to_native(), p.offset.to_native()));
        let expected = [(0, 6), (0, 0), (0, 0), (0, 0), (0, -1), (42, -1)];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    });
}

#[test]
fn producers_get_an_id_each() {
    check(|node| async move {
        let mut client = Client::connect(&node, 1).await;
        let mut seen = Vec::new();
        for _ in 0..2 {
            let answer = client.ask(&InitProducerRequest { flags: 0 }).await;
            let view = answer.view();
            let response = view.read::<InitProducerResponse>().unwrap();
            assert_eq!(
                (response.error.to_native(), response.epoch.to_native()),
                (NONE, 0)
            );
            seen.push(response.id.to_native());
        }
        assert_ne!(seen[0], seen[1]);
    });
}
