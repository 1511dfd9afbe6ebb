use corelog_base::TimestampMs;
use corelog_record::{BatchBuilder, Codec};
use corelog_wire::kafka::{
    EpochEndOffset, ErrorCode, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};

use crate::node::{Client, batch, check};

const NONE: ErrorCode = ErrorCode::NONE;
const BASE: i64 = 1_700_000_000_000;

fn partition(partition_index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition {
        partition_index,
        timestamp,
        ..Default::default()
    }
}

async fn ask(
    client: &mut Client,
    version: i16,
    topic: &str,
    partition: ListOffsetsPartition,
) -> (ErrorCode, i64, i64, i32) {
    let topic = ListOffsetsTopic {
        name: topic,
        partitions: vec![partition].into(),
    };
    let request = ListOffsetsRequest {
        topics: vec![topic].into(),
        ..Default::default()
    };
    let body = client.ask(version, &request).await;
    let response = ListOffsetsResponse::decode(version, &body).unwrap();
    let found = response.topics.first().unwrap().partitions.first().unwrap();
    (
        found.error_code,
        found.offset,
        found.timestamp,
        found.leader_epoch,
    )
}

/// Records at these milliseconds after the base, a batch each.
async fn fill(client: &mut Client, topic: &str, times: &[&[i64]]) {
    for times in times {
        let mut builder = BatchBuilder::new(Codec::None);
        for time in *times {
            let time = TimestampMs(BASE + time);
            builder.push(time, None, Some(b"value"), &[]).unwrap();
        }
        assert_eq!(client.produce(topic, 0, &builder.finish()).await.0, NONE);
    }
}

#[test]
fn positions_and_times() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(1).await;
        fill(&mut client, "t", &[&[10, 20], &[15, 90, 30], &[40]]).await;
        assert_eq!(client.trim("t", 0, 1).await, (NONE, 1));
        for (timestamp, offset, time) in [
            (-1, 6, -1),
            (-2, 1, -1),
            (-3, 3, BASE + 90),
            (-4, 1, -1),
            (-5, -1, -1),
            (BASE + 20, 1, BASE + 20),
            (BASE + 21, 3, BASE + 90),
            (BASE + 91, -1, -1),
        ] {
            let found = ask(&mut client, 9, "t", partition(0, timestamp)).await;
            assert_eq!(
                (found.0, found.1, found.2),
                (NONE, offset, time),
                "{timestamp}"
            );
            assert_eq!(
                found.3 >= 1,
                offset >= 0,
                "an epoch where there is an offset"
            );
        }
        // An empty partition.
        for (timestamp, offset) in [(-1, 0), (-2, 0), (-3, -1), (BASE, -1)] {
            let found = ask(&mut client, 9, "t", partition(1, timestamp)).await;
            assert_eq!(
                (found.0, found.1, found.2),
                (NONE, offset, -1),
                "{timestamp}"
            );
        }
    });
}

#[test]
fn every_version_and_every_refusal() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        fill(&mut client, "t", &[&[10]]).await;
        for version in 1..=11 {
            let found = ask(&mut client, version, "t", partition(0, -1)).await;
            assert_eq!((found.0, found.1), (NONE, 1), "version {version}");
        }
        for (version, topic, index, timestamp, expected) in [
            (6, "t", 0, -3, ErrorCode::UNSUPPORTED_VERSION),
            (9, "t", 9, -1, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            (9, "none", 0, -1, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ] {
            let found = ask(&mut client, version, topic, partition(index, timestamp)).await;
            assert_eq!(found, (expected, -1, -1, -1));
        }
        let epoch = ask(&mut client, 9, "t", partition(0, -1)).await.3;
        for (known, expected) in [
            (epoch, NONE),
            (epoch - 1, ErrorCode::FENCED_LEADER_EPOCH),
            (epoch + 1, ErrorCode::UNKNOWN_LEADER_EPOCH),
        ] {
            let asked = ListOffsetsPartition {
                current_leader_epoch: known,
                ..partition(0, -1)
            };
            assert_eq!(ask(&mut client, 9, "t", asked).await.0, expected);
        }
        let topic = ListOffsetsTopic {
            name: "t",
            partitions: vec![partition(0, -1), partition(0, -2)].into(),
        };
        let request = ListOffsetsRequest {
            topics: vec![topic].into(),
            ..Default::default()
        };
        let body = client.ask(9, &request).await;
        let response = ListOffsetsResponse::decode(9, &body).unwrap();
        let codes = response.topics.first().unwrap().partitions;
        let codes: Vec<ErrorCode> = codes.iter().map(|p| p.error_code).collect();
        assert_eq!(codes, [NONE, ErrorCode::INVALID_REQUEST]);
    });
}

async fn end_of(
    client: &mut Client,
    version: i16,
    partition: i32,
    current_leader_epoch: i32,
    leader_epoch: i32,
) -> EpochEndOffset {
    let partition = OffsetForLeaderPartition {
        partition,
        current_leader_epoch,
        leader_epoch,
    };
    let topic = OffsetForLeaderTopic {
        topic: "t",
        partitions: vec![partition].into(),
    };
    let request = OffsetForLeaderEpochRequest {
        topics: vec![topic].into(),
        ..Default::default()
    };
    let body = client.ask(version, &request).await;
    let response = OffsetForLeaderEpochResponse::decode(version, &body).unwrap();
    response.topics.first().unwrap().partitions.first().unwrap()
}

#[test]
fn where_epochs_end() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        client.produce("t", 0, &batch(&["one", "two"])).await;
        let epoch = ask(&mut client, 9, "t", partition(0, -1)).await.3;
        for version in 2..=4 {
            let found = end_of(&mut client, version, 0, -1, epoch).await;
            let expected = EpochEndOffset {
                error_code: NONE,
                partition: 0,
                leader_epoch: epoch,
                end_offset: 2,
            };
            assert_eq!(found, expected);
            // Above the current one, and below the first.
            for asked in [epoch + 1, epoch - 1] {
                let found = end_of(&mut client, version, 0, -1, asked).await;
                assert_eq!((found.leader_epoch, found.end_offset), (-1, -1), "{asked}");
            }
        }
        for (partition, current, expected) in [
            (0, epoch - 1, ErrorCode::FENCED_LEADER_EPOCH),
            (0, epoch + 1, ErrorCode::UNKNOWN_LEADER_EPOCH),
            (9, -1, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ] {
            let found = end_of(&mut client, 4, partition, current, epoch).await;
            assert_eq!((found.error_code, found.end_offset), (expected, -1));
        }
    });
}
