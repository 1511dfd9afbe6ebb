//! Metadata: topics and who owns their partitions; creates topics on the way.

use std::collections::BTreeSet;

use corelog_base::TopicId;
use corelog_rt::Runtime;
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::{MetadataRequest, MetadataResponse};

use super::super::call::{Call, Malformed};
use super::map::Map;
use crate::connection::Reply;
use crate::operation;

/// What an answer with all topics may take, decoded and encoded.
const WORK_BYTES: u64 = 2 << 20;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let credit = call.admit(WORK_BYTES + call.frame_bytes()).await;
    let view = call.view()?;
    let request = view.read::<MetadataRequest>()?;
    let context = &call.context;
    let broker = &context.broker;
    let mut map = Map::default();
    match request.topics.as_ref() {
        None => {
            let ids: Vec<TopicId> =
                broker.image(|image| image.topics().map(|topic| topic.id).collect());
            ids.into_iter().for_each(|id| map.add(context, id));
        }
        Some(names) => {
            // A topic that is named many times is told once: answers are bounded by what is there.
            let mut seen = BTreeSet::new();
            let names: Vec<&str> = names
                .iter()
                .map(|name| name.as_str())
                .filter(|name| seen.insert(*name))
                .collect();
            let find = |name: &str| broker.image(|image| image.topic_named(name).map(|t| t.id));
            let missing = names.iter().copied().filter(|name| find(name).is_none());
            let refused = match request.create {
                true => operation::create_missing(broker, missing).await,
                false => Default::default(),
            };
            for name in names {
                let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                match find(name) {
                    Some(id) => map.add(context, id),
                    None => map.add_failed(name, *refused.get(name).unwrap_or(&unknown)),
                }
            }
        }
    }
    let (error, message) = match map.is_cut {
        false => (ErrorCode::NONE, ""),
        true => (
            ErrorCode::MESSAGE_TOO_LARGE,
            "not all topics fit: name those that are wanted, fewer at a time",
        ),
    };
    let response = MetadataResponse {
        error: error.0,
        message: message.to_owned(),
        topics: map.topics,
    };
    Ok(call.reply(&response).holding(credit))
}
