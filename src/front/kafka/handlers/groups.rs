//! What the handlers of groups share.

use std::time::Duration;

use corelog_coordinator::groups::{Client, Membership, Reply, Request};
use corelog_coordinator::{Error, Kind, Reply as Answer, Request as Asked};
use corelog_rt::Runtime;
use corelog_wire::kafka::ErrorCode;

use super::super::call::Call;
use super::super::error::coordinator_code;

/// Longer than any commit takes on a disk that still works.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Members wait for each other for as long as the slowest of them may take.
const REBALANCE_MAX: Duration = Duration::from_secs(60 * 60);

/// Asks the coordinator of a group.
pub(super) async fn ask<R: Runtime>(
    call: &Call<R>,
    group: &str,
    request: Request,
) -> Result<Reply, ErrorCode> {
    let limit = match request {
        Request::Join(_) | Request::Sync(_) => REBALANCE_MAX,
        _ => ANSWER_MAX,
    };
    if group.is_empty() {
        return Err(coordinator_code(Error::InvalidGroupId));
    }
    let broker = &call.context.broker;
    let request = Asked::Group(request);
    let answer = broker.coordinate(Kind::Groups, group, request, limit).await;
    match answer {
        Ok(Answer::Group(reply)) => Ok(reply),
        Ok(_) => unreachable!("a coordinator of groups answers about groups"),
        Err(error) => Err(coordinator_code(error)),
    }
}

/// Asks every coordinator of groups on this node, and gives the first error, if any.
pub(super) async fn ask_all<R: Runtime>(
    call: &Call<R>,
    request: &Request,
) -> (Vec<Reply>, ErrorCode) {
    let broker = &call.context.broker;
    let mut replies = Vec::new();
    let mut failed = ErrorCode::NONE;
    for partition in broker.coordinator_partitions(Kind::Groups) {
        let request = Asked::Group(request.clone());
        match broker.coordinate_at(partition, request, ANSWER_MAX).await {
            Ok(Answer::Group(reply)) => replies.push(reply),
            Ok(_) => unreachable!("a coordinator of groups answers about groups"),
            // Another broker's.
            Err(Error::NotCoordinator) => {}
            Err(error) => failed = coordinator_code(error),
        }
    }
    (replies, failed)
}

/// The code of a request that succeeds or fails as a whole.
pub(super) fn code(answer: &Result<Reply, ErrorCode>) -> ErrorCode {
    match answer {
        Ok(_) => ErrorCode::NONE,
        Err(code) => *code,
    }
}

pub(super) fn outcome_code(outcome: corelog_coordinator::Result<()>) -> ErrorCode {
    outcome.map_or_else(coordinator_code, |()| ErrorCode::NONE)
}

/// One code a part: those of the answer, or the same for all.
pub(super) fn codes(answer: Result<Reply, ErrorCode>, count: usize) -> Vec<ErrorCode> {
    match answer {
        Ok(Reply::Partitions(outcomes) | Reply::Left(outcomes)) => {
            outcomes.into_iter().map(outcome_code).collect()
        }
        Ok(_) => unreachable!("parts are answered one by one"),
        Err(code) => vec![code; count],
    }
}

pub(super) fn membership(generation: i32, member: &str, instance: Option<&str>) -> Membership {
    Membership {
        generation,
        member: member.to_owned(),
        instance: instance.map(str::to_owned),
    }
}

/// The caller, as Kafka shows it: the host with a slash before it.
pub(super) fn client<R: Runtime>(call: &Call<R>) -> Client {
    Client {
        id: call.client_id().to_owned(),
        host: format!("/{}", call.peer.ip()),
    }
}
