//! Elections, reassignments, the metadata's quorum, and what there is to configure.

use corelog_wire::kafka::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribeQuorumPartition,
    DescribeQuorumRequest, DescribeQuorumResponse, DescribeQuorumTopic,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, ElectLeadersRequest,
    ElectLeadersResponse, ElectLeadersTopicPartitions, ErrorCode, ListConfigResourcesRequest,
    ListConfigResourcesResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, ReassignablePartition, ReassignableTopic, ScramUser,
};

use super::describe_configs::{BROKER, TOPIC};
use crate::node::check;

const NONE: ErrorCode = ErrorCode::NONE;
const UNKNOWN: ErrorCode = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;

#[test]
fn leaders_need_no_election() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(1).await;
        let topic = |topic, partitions: Vec<i32>| ElectLeadersTopicPartitions {
            topic,
            partitions: partitions.into(),
        };
        for (version, election_type) in [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1)] {
            let topics = vec![topic("t", vec![0, 9]), topic("none", vec![0])];
            let request = ElectLeadersRequest {
                election_type,
                topic_partitions: Some(topics.into()),
                timeout_ms: 1000,
            };
            let body = client.ask(version, &request).await;
            let response = ElectLeadersResponse::decode(version, &body).unwrap();
            let results = response.replica_election_results.iter();
            let codes: Vec<ErrorCode> = results
                .flat_map(|topic| topic.partition_result.iter().collect::<Vec<_>>())
                .map(|partition| partition.error_code)
                .collect();
            assert_eq!(codes, [ErrorCode::ELECTION_NOT_NEEDED, UNKNOWN, UNKNOWN]);
            assert_eq!(response.error_code, NONE);
        }
        // Of all, those are told that need one.
        let body = client.ask(2, &ElectLeadersRequest::default()).await;
        let response = ElectLeadersResponse::decode(2, &body).unwrap();
        assert!(response.replica_election_results.is_empty());
        let request = ElectLeadersRequest {
            election_type: 7,
            ..Default::default()
        };
        let body = client.ask(2, &request).await;
        let response = ElectLeadersResponse::decode(2, &body).unwrap();
        assert_eq!(response.error_code, ErrorCode::INVALID_REQUEST);
    });
}

#[test]
fn only_the_present_assignment_is_accepted() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let partition = |partition_index, replicas: Option<Vec<i32>>| ReassignablePartition {
            partition_index,
            replicas: replicas.map(Into::into),
        };
        for version in 0..=1 {
            let partitions = vec![
                partition(0, Some(vec![0])),
                partition(1, None),
                partition(2, Some(vec![7])),
                partition(3, Some(vec![0, 0])),
                partition(9, Some(vec![0])),
            ];
            let topic = |name, partitions: Vec<_>| ReassignableTopic {
                name,
                partitions: partitions.into(),
            };
            let none = topic("none", vec![partition(0, None)]);
            let request = AlterPartitionReassignmentsRequest {
                topics: vec![topic("t", partitions), none].into(),
                ..Default::default()
            };
            let body = client.ask(version, &request).await;
            let response = AlterPartitionReassignmentsResponse::decode(version, &body).unwrap();
            let codes: Vec<ErrorCode> = response
                .responses
                .iter()
                .flat_map(|topic| topic.partitions.iter().collect::<Vec<_>>())
                .map(|partition| partition.error_code)
                .collect();
            let expected = [
                NONE,
                ErrorCode::NO_REASSIGNMENT_IN_PROGRESS,
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                UNKNOWN,
                UNKNOWN,
            ];
            assert_eq!(codes, expected);
        }
        let request = ListPartitionReassignmentsRequest::default();
        let body = client.ask(0, &request).await;
        let response = ListPartitionReassignmentsResponse::decode(0, &body).unwrap();
        assert_eq!((response.error_code, response.topics.len()), (NONE, 0));
    });
}

#[test]
fn the_quorum_of_the_metadata() {
    check(|node| async move {
        let mut client = node.client(1).await;
        let mut before = 0;
        for version in 0..=2 {
            node.topic(["a", "b", "c"][version as usize], &[]).await;
            let topic = |topic_name| DescribeQuorumTopic {
                topic_name,
                partitions: vec![DescribeQuorumPartition { partition_index: 0 }].into(),
            };
            let request = DescribeQuorumRequest {
                topics: vec![topic("__cluster_metadata"), topic("a")].into(),
            };
            let body = client.ask(version, &request).await;
            let response = DescribeQuorumResponse::decode(version, &body).unwrap();
            let topics = response.topics.iter();
            let found: Vec<_> = topics.map(|t| t.partitions.first().unwrap()).collect();
            assert_eq!((found[0].error_code, found[1].error_code), (NONE, UNKNOWN));
            let quorum = &found[0];
            assert_eq!(quorum.leader_id, 0);
            assert!(quorum.leader_epoch > 0 && quorum.high_watermark > before);
            before = quorum.high_watermark;
            let voter = quorum.current_voters.first().unwrap();
            assert_eq!((quorum.current_voters.len(), voter.replica_id), (1, 0));
            assert!(voter.log_end_offset >= quorum.high_watermark);
            if version == 2 {
                let listener = response.nodes.first().unwrap().listeners.first().unwrap();
                assert_eq!((listener.host, listener.port), ("broker.test", 9092));
            }
        }
    });
}

#[test]
fn what_can_be_configured() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        for (version, kinds, expected) in [
            (0, vec![], Some(vec![])),
            (1, vec![], Some(vec![("t", TOPIC), ("0", BROKER)])),
            (1, vec![BROKER], Some(vec![("0", BROKER)])),
            (1, vec![8, 16, 32], Some(vec![])),
            (1, vec![TOPIC, 99], None),
        ] {
            let request = ListConfigResourcesRequest {
                resource_types: kinds.into(),
            };
            let body = client.ask(version, &request).await;
            let response = ListConfigResourcesResponse::decode(version, &body).unwrap();
            let found = response.config_resources.iter();
            let found: Vec<_> = found.map(|r| (r.resource_name, r.resource_type)).collect();
            match expected {
                Some(expected) => assert_eq!((response.error_code, found), (NONE, expected)),
                None => assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION),
            }
        }
    });
}

#[test]
fn neither_quotas_nor_users() {
    check(|node| async move {
        let mut client = node.client(0).await;
        for version in 0..=1 {
            let request = DescribeClientQuotasRequest::default();
            let body = client.ask(version, &request).await;
            let response = DescribeClientQuotasResponse::decode(version, &body).unwrap();
            assert_eq!(response.error_code, NONE);
            assert!(response.entries.is_some_and(|entries| entries.is_empty()));
        }
        for (users, expected) in [(None, 0), (Some(vec![ScramUser { name: "u" }]), 1)] {
            let request = DescribeUserScramCredentialsRequest {
                users: users.map(Into::into),
            };
            let body = client.ask(0, &request).await;
            let response = DescribeUserScramCredentialsResponse::decode(0, &body).unwrap();
            assert_eq!(
                (response.error_code, response.results.len()),
                (NONE, expected)
            );
            let found = response.results.first().map(|result| result.error_code);
            assert!(found.is_none_or(|code| code == ErrorCode::RESOURCE_NOT_FOUND));
        }
    });
}
