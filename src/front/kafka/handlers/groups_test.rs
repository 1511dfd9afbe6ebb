//! Groups, through a connection.

use corelog_wire::kafka::{
    Array, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse,
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupRequestProtocol,
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, MemberIdentity, OffsetCommitRequest, OffsetCommitRequestPartition,
    OffsetCommitRequestTopic, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};

use crate::node::{Client, check};

/// Asks until the coordinator has loaded.
async fn ready(client: &mut Client, group: &str) {
    loop {
        let request = HeartbeatRequest {
            group_id: group,
            ..Default::default()
        };
        let body = client.ask(4, &request).await;
        match HeartbeatResponse::decode(4, &body).unwrap().error_code {
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {}
            ErrorCode::UNKNOWN_MEMBER_ID => return,
            other => panic!("{other}"),
        }
    }
}

async fn find(client: &mut Client, key_type: i8, keys: &[&str]) -> Vec<(String, i32, ErrorCode)> {
    let request = FindCoordinatorRequest {
        key_type,
        coordinator_keys: keys.into(),
        ..Default::default()
    };
    let body = client.ask(6, &request).await;
    let response = FindCoordinatorResponse::decode(6, &body).unwrap();
    let found = response.coordinators.iter();
    found
        .map(|c| (c.key.to_owned(), c.node_id, c.error_code))
        .collect()
}

#[test]
fn coordinators_are_found_by_every_version() {
    check(|node| async move {
        let mut client = node.client(0).await;
        let me = node.broker(0).node().0;
        let none = ErrorCode::NONE;
        for key_type in 0..=2 {
            let found = find(&mut client, key_type, &["a", "b"]).await;
            let expected = [("a".to_owned(), me, none), ("b".to_owned(), me, none)];
            assert_eq!(found, expected);
        }
        let found = find(&mut client, 3, &["a"]).await;
        assert_eq!(found[0].2, ErrorCode::INVALID_REQUEST);
        for version in 0..=3 {
            let request = FindCoordinatorRequest {
                key: "a",
                ..Default::default()
            };
            let body = client.ask(version, &request).await;
            let response = FindCoordinatorResponse::decode(version, &body).unwrap();
            assert_eq!((response.node_id, response.error_code), (me, none));
        }
    });
}

fn protocols<'a>() -> Array<'a, JoinGroupRequestProtocol<'a>> {
    let range = JoinGroupRequestProtocol {
        name: "range",
        metadata: b"what I read",
    };
    vec![range].into()
}

/// Joins and syncs as the only member; its id.
async fn join_alone(client: &mut Client, group: &str) -> String {
    let request = JoinGroupRequest {
        group_id: group,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer",
        protocols: protocols(),
        ..Default::default()
    };
    let body = client.ask(9, &request).await;
    let given = JoinGroupResponse::decode(9, &body).unwrap();
    assert_eq!(given.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    let member = given.member_id.to_owned();
    let request = JoinGroupRequest {
        member_id: &member,
        ..request
    };
    let body = client.ask(9, &request).await;
    let joined = JoinGroupResponse::decode(9, &body).unwrap();
    assert_eq!(joined.error_code, ErrorCode::NONE);
    assert_eq!((joined.leader, joined.generation_id), (&member[..], 1));
    assert_eq!(joined.members.first().unwrap().metadata, b"what I read");
    let assignment = SyncGroupRequestAssignment {
        member_id: &member,
        assignment: b"everything",
    };
    let request = SyncGroupRequest {
        group_id: group,
        generation_id: 1,
        member_id: &member,
        protocol_type: Some("consumer"),
        protocol_name: Some("range"),
        assignments: vec![assignment].into(),
        ..Default::default()
    };
    let body = client.ask(5, &request).await;
    let synced = SyncGroupResponse::decode(5, &body).unwrap();
    assert_eq!(synced.assignment, b"everything");
    member
}

async fn commit(
    client: &mut Client,
    group: &str,
    generation: i32,
    member: &str,
    offsets: &[(i32, i64)],
) -> Vec<ErrorCode> {
    let partitions = offsets.iter();
    let partitions = partitions.map(|(partition, offset)| OffsetCommitRequestPartition {
        partition_index: *partition,
        committed_offset: *offset,
        committed_metadata: Some("note"),
        ..Default::default()
    });
    let topic = OffsetCommitRequestTopic {
        name: "t",
        partitions: partitions.collect(),
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: group,
        generation_id_or_member_epoch: generation,
        member_id: member,
        topics: vec![topic].into(),
        ..Default::default()
    };
    let body = client.ask(9, &request).await;
    let response = OffsetCommitResponse::decode(9, &body).unwrap();
    let partitions = response.topics.first().unwrap().partitions;
    partitions.iter().map(|p| p.error_code).collect()
}

async fn committed(client: &mut Client, group: &str) -> Vec<(i32, i64, String)> {
    let topic = OffsetFetchRequestTopics {
        name: "t",
        partition_indexes: vec![0, 1].into(),
        ..Default::default()
    };
    let asked = OffsetFetchRequestGroup {
        group_id: group,
        topics: Some(vec![topic].into()),
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![asked].into(),
        ..Default::default()
    };
    let body = client.ask(9, &request).await;
    let response = OffsetFetchResponse::decode(9, &body).unwrap();
    let group = response.groups.first().unwrap();
    assert_eq!(group.error_code, ErrorCode::NONE);
    let partitions = group.topics.first().unwrap().partitions;
    let told = partitions.iter();
    told.map(|p| {
        let metadata = p.metadata.unwrap_or("null").to_owned();
        (p.partition_index, p.committed_offset, metadata)
    })
    .collect()
}

#[test]
fn a_member_lives_and_commits() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(1).await;
        find(&mut client, 0, &["g"]).await;
        ready(&mut client, "g").await;
        let member = join_alone(&mut client, "g").await;
        let none = ErrorCode::NONE;
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let codes = commit(&mut client, "g", 1, &member, &[(0, 7), (99, 1)]).await;
        assert_eq!(codes, [none, unknown]);
        let codes = commit(&mut client, "g", 2, &member, &[(0, 8), (99, 1)]).await;
        assert_eq!(codes, [ErrorCode::ILLEGAL_GENERATION, unknown]);
        let expected = [(0, 7, "note".to_owned()), (1, -1, String::new())];
        assert_eq!(committed(&mut client, "g").await, expected);

        let body = client.ask(5, &ListGroupsRequest::default()).await;
        let listed = ListGroupsResponse::decode(5, &body).unwrap();
        let group = listed.groups.first().unwrap();
        assert_eq!(
            (group.group_id, group.group_state, group.group_type),
            ("g", "Stable", "classic")
        );
        let leaver = MemberIdentity {
            member_id: &member,
            ..Default::default()
        };
        let request = LeaveGroupRequest {
            group_id: "g",
            members: vec![leaver].into(),
            ..Default::default()
        };
        let body = client.ask(5, &request).await;
        let left = LeaveGroupResponse::decode(5, &body).unwrap();
        assert_eq!(left.members.first().unwrap().error_code, none);
        let request = DescribeGroupsRequest {
            groups: vec!["g", "nobody"].into(),
            include_authorized_operations: true,
        };
        for (version, code) in [(5, none), (6, ErrorCode::GROUP_ID_NOT_FOUND)] {
            let body = client.ask(version, &request).await;
            let described = DescribeGroupsResponse::decode(version, &body).unwrap();
            let groups = described.groups.iter();
            let told: Vec<_> = groups.map(|g| (g.error_code, g.group_state)).collect();
            assert_eq!(told, [(none, "Empty"), (code, "Dead")]);
        }
    });
}

#[test]
fn offsets_and_groups_are_deleted() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        find(&mut client, 0, &["g"]).await;
        ready(&mut client, "g").await;
        let none = ErrorCode::NONE;
        assert_eq!(
            commit(&mut client, "g", -1, "", &[(0, 7), (1, 9)]).await,
            [none, none]
        );
        let topic = OffsetDeleteRequestTopic {
            name: "t",
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }].into(),
        };
        let request = OffsetDeleteRequest {
            group_id: "g",
            topics: vec![topic].into(),
        };
        let body = client.ask(0, &request).await;
        let response = OffsetDeleteResponse::decode(0, &body).unwrap();
        assert_eq!(response.error_code, none);
        let expected = [(0, -1, String::new()), (1, 9, "note".to_owned())];
        assert_eq!(committed(&mut client, "g").await, expected);
        let request = DeleteGroupsRequest {
            groups_names: vec!["g"].into(),
        };
        for code in [none, ErrorCode::GROUP_ID_NOT_FOUND] {
            let body = client.ask(2, &request).await;
            let response = DeleteGroupsResponse::decode(2, &body).unwrap();
            assert_eq!(response.results.first().unwrap().error_code, code);
        }
    });
}
