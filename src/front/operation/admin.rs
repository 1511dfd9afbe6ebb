//! Changes of the metadata.

use std::collections::BTreeMap;
use std::time::Duration;

use corelog_broker::{AdminReply, AdminRequest, Broker, Error, Outcomes};
use corelog_cluster::{Error as PlanError, Kind, TopicSpec, check_topic_name};
use corelog_rt::Runtime;
use corelog_wire::kafka::ErrorCode;

use super::error::code;

/// How long a topic that is created on the way may take; the client asks again after it.
const CREATE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Asks for changes of the metadata; gives `count` outcomes. Asks nothing if there are none.
pub(crate) async fn admin<R: Runtime, T>(
    broker: &Broker<R>,
    request: AdminRequest,
    limit: Duration,
    count: usize,
    outcomes: impl FnOnce(AdminReply) -> Outcomes<T>,
) -> Outcomes<T> {
    if count == 0 {
        return Vec::new();
    }
    match broker.admin(request, limit).await {
        Ok(reply) => outcomes(reply),
        Err(error) => std::iter::repeat_with(|| Err::<T, Error>(error.clone()))
            .take(count)
            .collect(),
    }
}

/// The outcomes of everything but created topics.
pub(crate) fn done(reply: AdminReply) -> Outcomes<()> {
    match reply {
        AdminReply::Done(outcomes) => outcomes,
        _ => unreachable!("changes are answered as done"),
    }
}

/// Creates topics that were asked for by name and are not there, if the broker permits it. Gives
/// why a topic is not there all the same; an empty map if none may be created.
pub(crate) async fn create_missing<'n, R: Runtime>(
    broker: &Broker<R>,
    names: impl Iterator<Item = &'n str>,
) -> BTreeMap<&'n str, ErrorCode> {
    let mut refused = BTreeMap::new();
    if !broker.image(|image| image.broker_settings().auto_create_topics) {
        return refused;
    }
    let mut missing: BTreeMap<&str, ErrorCode> = BTreeMap::new();
    for name in names {
        match check_topic_name(name) {
            // Whether it happens may stay open: the client asks again.
            Ok(()) => drop(missing.insert(name, ErrorCode::LEADER_NOT_AVAILABLE)),
            Err(_) => drop(refused.insert(name, ErrorCode::INVALID_TOPIC_EXCEPTION)),
        }
    }
    if missing.is_empty() {
        return refused;
    }
    let topics = missing.keys().map(|name| TopicSpec {
        name: (*name).to_owned(),
        partitions: -1,
        replication: -1,
        ..TopicSpec::default()
    });
    let request = AdminRequest::CreateTopics {
        topics: topics.collect(),
        validate_only: false,
    };
    match broker.admin(request, CREATE_WAIT_MAX).await {
        Ok(AdminReply::Created(outcomes)) => {
            for (known, outcome) in missing.values_mut().zip(outcomes) {
                match outcome {
                    // Another connection is quicker, but not yet done: the client asks again.
                    Ok(_)
                    | Err(Error::Cluster(PlanError {
                        kind: Kind::TopicExists,
                        ..
                    })) => {}
                    Err(error) => *known = code(&error),
                }
            }
        }
        Ok(_) => unreachable!("created topics answer their creation"),
        Err(_) => {}
    }
    refused.extend(missing);
    refused
}
