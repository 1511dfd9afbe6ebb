//! OffsetDelete.

use corelog_coordinator::groups::{DeleteOffsets, Request};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ErrorCode, OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

use super::super::call::{Call, Malformed};
use super::groups::{ask, codes};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = OffsetDeleteRequest::decode(call.version, call.body())?;
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| p.partition_index);
        (topic.name.to_owned(), partitions.collect())
    });
    let delete = DeleteOffsets {
        group: request.group_id.to_owned(),
        topics: topics.collect(),
    };
    let answer = ask(call, request.group_id, Request::DeleteOffsets(delete)).await;
    if let Err(error_code) = answer {
        return Ok(call.reply(&OffsetDeleteResponse {
            error_code,
            ..Default::default()
        }));
    }
    let mut codes = codes(answer, 0).into_iter();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().zip(&mut codes);
        let known = |index| {
            let image = |image: &corelog_cluster::Image| {
                let topic = image.topic_named(topic.name)?;
                topic.partition(corelog_base::PartitionIndex(index))?;
                Some(())
            };
            call.context.broker.image(image).is_some()
        };
        OffsetDeleteResponseTopic {
            name: topic.name,
            partitions: partitions
                .map(|(partition, code)| OffsetDeleteResponsePartition {
                    partition_index: partition.partition_index,
                    // What was kept for it is gone all the same.
                    error_code: match known(partition.partition_index) {
                        true => code,
                        false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    },
                })
                .collect(),
        }
    });
    Ok(call.reply(&OffsetDeleteResponse {
        topics: topics.collect(),
        ..Default::default()
    }))
}
