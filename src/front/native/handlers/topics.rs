//! CreateTopic, DeleteTopic and DescribeTopic.

use std::time::Duration;

use corelog_broker::{AdminReply, AdminRequest, Error};
use corelog_cluster::{Topic, TopicSpec};
use corelog_rt::Runtime;
use corelog_wire::native::v1::{
    CreateTopicRequest, CreateTopicResponse, DeleteTopicRequest, DeleteTopicResponse,
    DescribeTopicRequest, DescribeTopicResponse, Described,
};

use super::super::call::{Call, Malformed};
use crate::connection::Reply;
use crate::operation::{Fault, admin, done, source_number};

/// A change is committed by a flush or two.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// About what the settings of a topic take, described and encoded.
const TABLE_BYTES: u64 = 16 << 10;
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

pub(in super::super) async fn describe<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let credit = call.admit(TABLE_BYTES).await;
    let view = call.view()?;
    let request = view.read::<DescribeTopicRequest>()?;
    let described = call.context.broker.image(|image| {
        let topic = image.topic_named(request.name.as_str())?;
        let configs = image.describe_topic(topic).into_iter();
        let configs = configs.map(|config| Described {
            name: config.name.to_owned(),
            value: config.value,
            source: source_number(config.source),
        });
        Some((replicas(topic), configs.collect()))
    });
    let (error, message) = told(described.is_none().then_some(Error::UnknownPartition));
    let (replicas, configs) = described.unwrap_or_default();
    let response = DescribeTopicResponse {
        error,
        message,
        replicas,
        configs,
    };
    Ok(call.reply(&response).holding(credit))
}

/// Of the partition that has the fewest.
fn replicas(topic: &Topic) -> i16 {
    let partitions = topic.partitions().iter();
    let fewest = partitions.map(|partition| partition.replicas.len()).min();
    i16::try_from(fewest.unwrap_or(0)).unwrap_or(i16::MAX)
}

fn told(failed: Option<Error>) -> (i16, String) {
    match failed.map(Fault::from) {
        None => (0, String::new()),
        Some(fault) => (fault.code.0, fault.message.unwrap_or_default()),
    }
}
