//! CreateTopic and DeleteTopic.

use std::time::Duration;

use corelog_broker::{AdminReply, AdminRequest, Error};
use corelog_cluster::TopicSpec;
use corelog_rt::Runtime;
use corelog_wire::native::v1::{
    CreateTopicRequest, CreateTopicResponse, DeleteTopicRequest, DeleteTopicResponse,
};

use super::super::call::{Call, Malformed};
use crate::connection::Reply;
use crate::operation::{Fault, admin, done};

/// A change is committed by a flush or two.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How many times the frame a request takes, decoded.
const WORK_TIMES: u64 = 4;

pub(in super::super) async fn create<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let _credit = call.admit(call.frame_bytes() * WORK_TIMES).await;
    let view = call.view()?;
    let request = view.read::<CreateTopicRequest>()?;
    let configs = request.configs.iter();
    let configs = configs.map(|c| {
        (
            c.name.as_str().to_owned(),
            Some(c.value.as_str().to_owned()),
        )
    });
    let spec = TopicSpec {
        name: request.name.as_str().to_owned(),
        partitions: request.partitions.to_native(),
        replication: request.replicas.to_native(),
        configs: configs.collect(),
        ..TopicSpec::default()
    };
    let asked = AdminRequest::CreateTopics {
        topics: vec![spec],
        validate_only: request.dry,
    };
    let created = |reply| match reply {
        AdminReply::Created(outcomes) => outcomes,
        _ => unreachable!("created topics answer their creation"),
    };
    let outcomes = admin(&call.context.broker, asked, WAIT_MAX, 1, created).await;
    let (error, message) = told(outcomes.into_iter().find_map(Result::err));
    Ok(call.reply(&CreateTopicResponse { error, message }))
}

pub(in super::super) async fn delete<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let view = call.view()?;
    let request = view.read::<DeleteTopicRequest>()?;
    let broker = &call.context.broker;
    let name = request.name.as_str();
    let failed = match broker.image(|image| image.topic_named(name).map(|topic| topic.id)) {
        None => Some(Error::UnknownPartition),
        Some(id) => {
            let asked = AdminRequest::DeleteTopics(vec![id]);
            let outcomes = admin(broker, asked, WAIT_MAX, 1, done).await;
            outcomes.into_iter().find_map(Result::err)
        }
    };
    let (error, message) = told(failed);
    Ok(call.reply(&DeleteTopicResponse { error, message }))
}

fn told(failed: Option<Error>) -> (i16, String) {
    match failed.map(Fault::from) {
        None => (0, String::new()),
        Some(fault) => (fault.code.0, fault.message.unwrap_or_default()),
    }
}
