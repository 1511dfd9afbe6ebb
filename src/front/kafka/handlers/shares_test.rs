//! Share groups, through a connection.

use corelog_base::TopicId;
use corelog_wire::kafka::{
    AcknowledgementBatch, DeleteGroupsRequest, DeleteGroupsResponse,
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsResponse, ErrorCode, ShareAcknowledgePartition,
    ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareAcknowledgeTopic, ShareFetchPartition,
    ShareFetchRequest, ShareFetchResponse, ShareFetchTopic, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
};

use crate::node::{Client, batch, check};

async fn heartbeat(client: &mut Client, epoch: i32) -> ErrorCode {
    let request = ShareGroupHeartbeatRequest {
        group_id: "g",
        member_id: "m",
        member_epoch: epoch,
        subscribed_topic_names: Some(vec!["t"].into()),
        ..Default::default()
    };
    let body = client.ask(1, &request).await;
    let told = ShareGroupHeartbeatResponse::decode(1, &body).unwrap();
    told.error_code
}

/// What was given: (first, last, how often), and the partition's code.
type Given = (ErrorCode, Vec<(i64, i64, i16)>);

/// Fetches from partition 0 as a member; the code of the whole, or what was given.
async fn fetch(
    client: &mut Client,
    member: &str,
    topic_id: TopicId,
    epoch: i32,
) -> Result<Given, ErrorCode> {
    let topic = ShareFetchTopic {
        topic_id,
        partitions: vec![ShareFetchPartition::default()].into(),
    };
    let request = ShareFetchRequest {
        group_id: Some("g"),
        member_id: Some(member),
        share_session_epoch: epoch,
        max_wait_ms: 300,
        max_records: 100,
        topics: vec![topic].into(),
        ..Default::default()
    };
    let body = client.ask(2, &request).await;
    let response = ShareFetchResponse::decode(2, &body).unwrap();
    if !response.error_code.is_none() {
        return Err(response.error_code);
    }
    let Some(topic) = response.responses.first() else {
        return Ok((ErrorCode::NONE, Vec::new()));
    };
    let row = topic.partitions.first().unwrap();
    let acquired = row.acquired_records.iter();
    let given = acquired.map(|a| (a.first_offset, a.last_offset, a.delivery_count));
    Ok((row.error_code, given.collect()))
}

async fn acknowledge(
    client: &mut Client,
    topic_id: TopicId,
    epoch: i32,
    (first_offset, last_offset): (i64, i64),
    types: Vec<i8>,
) -> ErrorCode {
    let batch = AcknowledgementBatch {
        first_offset,
        last_offset,
        acknowledge_types: types.into(),
    };
    let partition = ShareAcknowledgePartition {
        partition_index: 0,
        acknowledgement_batches: vec![batch].into(),
    };
    let topic = ShareAcknowledgeTopic {
        topic_id,
        partitions: vec![partition].into(),
    };
    let request = ShareAcknowledgeRequest {
        group_id: Some("g"),
        member_id: Some("m"),
        share_session_epoch: epoch,
        topics: vec![topic].into(),
        ..Default::default()
    };
    let body = client.ask(2, &request).await;
    let response = ShareAcknowledgeResponse::decode(2, &body).unwrap();
    match response.responses.first() {
        Some(topic) => topic.partitions.first().unwrap().error_code,
        None => response.error_code,
    }
}

/// Where the group starts in partition 0, and how far behind it is.
async fn place(client: &mut Client) -> (i64, i64) {
    let asked = DescribeShareGroupOffsetsRequestGroup {
        group_id: "g",
        topics: None,
    };
    let request = DescribeShareGroupOffsetsRequest {
        groups: vec![asked].into(),
    };
    let body = client.ask(1, &request).await;
    let response = DescribeShareGroupOffsetsResponse::decode(1, &body).unwrap();
    let group = response.groups.first().unwrap();
    assert_eq!(group.error_code, ErrorCode::NONE);
    let row = group.topics.first().unwrap().partitions.first().unwrap();
    (row.start_offset, row.lag)
}

#[test]
fn records_are_given_taken_and_given_back() {
    check(|node| async move {
        let none = ErrorCode::NONE;
        let topic = node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        while heartbeat(&mut client, 0).await == ErrorCode::COORDINATOR_LOAD_IN_PROGRESS {}
        let mut epoch = 0;
        // The group begins at the end, once its coordinator has loaded.
        while fetch(&mut client, "m", topic, epoch).await != Ok((none, Vec::new())) {
            epoch += 1;
        }
        for values in [&["a", "b"][..], &["c"]] {
            let written = client.produce("t", 0, &batch(values)).await;
            assert_eq!(written.0, none);
        }
        let given = fetch(&mut client, "m", topic, epoch + 1).await;
        assert_eq!(given, Ok((none, vec![(0, 2, 1)])));
        let other = fetch(&mut client, "other", topic, 0).await;
        assert_eq!(other, Ok((none, Vec::new())));
        let wrong = Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH);
        assert_eq!(fetch(&mut client, "m", topic, epoch + 9).await, wrong);
        let missing = Err(ErrorCode::SHARE_SESSION_NOT_FOUND);
        assert_eq!(fetch(&mut client, "nobody", topic, 1).await, missing);

        let taken = acknowledge(&mut client, topic, epoch + 2, (0, 1), vec![1, 2]).await;
        assert_eq!(taken, none);
        assert_eq!(place(&mut client).await, (1, 2));
        let again = fetch(&mut client, "other", topic, 1).await;
        assert_eq!(again, Ok((none, vec![(1, 1, 2)])));
        let refused = acknowledge(&mut client, topic, epoch + 3, (1, 1), vec![1]).await;
        assert_eq!(refused, ErrorCode::INVALID_RECORD_STATE);
        // A session that ends gives back what it holds.
        let closed = acknowledge(&mut client, topic, -1, (2, 2), vec![2]).await;
        assert_eq!(closed, none);
        let rest = fetch(&mut client, "other", topic, 2).await;
        assert_eq!(rest, Ok((none, vec![(2, 2, 2)])));

        let delete = DeleteGroupsRequest {
            groups_names: vec!["g"].into(),
        };
        for code in [ErrorCode::NON_EMPTY_GROUP, none] {
            let body = client.ask(2, &delete).await;
            let deleted = DeleteGroupsResponse::decode(2, &body).unwrap();
            assert_eq!(deleted.results.first().unwrap().error_code, code);
            heartbeat(&mut client, -1).await;
        }
    });
}
