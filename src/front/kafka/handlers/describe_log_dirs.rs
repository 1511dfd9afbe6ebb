//! DescribeLogDirs: the one data directory, and what each partition takes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use corelog_base::TopicId;
use corelog_broker::PartitionSize;
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic, ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::super::error::code;
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeLogDirsRequest::decode(call.version, call.body())?;
    let mut wanted: Option<BTreeSet<(&str, i32)>> = None;
    if let Some(topics) = &request.topics {
        let wanted = wanted.insert(BTreeSet::new());
        for topic in topics {
            wanted.extend(topic.partitions.iter().map(|index| (topic.topic, index)));
        }
    }
    let directory = directory(call);
    let space = call
        .context
        .broker
        .runtime()
        .space(Path::new(&directory))
        .await
        .ok();
    let (sizes, error_code) = match call.context.broker.sizes().await {
        Ok(sizes) => (sizes, ErrorCode::NONE),
        Err(error) => (Vec::new(), code(&error)),
    };
    let names = names(call, &sizes);
    let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for size in &sizes {
        let Some(name) = names.get(&size.key.topic) else {
            continue;
        };
        let index = size.key.partition.0;
        if wanted
            .as_ref()
            .is_some_and(|wanted| !wanted.contains(&(name.as_str(), index)))
        {
            continue;
        }
        topics
            .entry(name)
            .or_default()
            .push(DescribeLogDirsPartition {
                partition_index: index,
                partition_size: signed(size.bytes),
                offset_lag: 0,
                is_future_key: false,
            });
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| DescribeLogDirsTopic {
            name,
            partitions: partitions.into(),
        });
    let result = DescribeLogDirsResult {
        error_code,
        log_dir: &directory,
        topics: topics.collect(),
        total_bytes: space.map_or(-1, |space| signed(space.total_bytes)),
        usable_bytes: space.map_or(-1, |space| signed(space.free_bytes)),
    };
    Ok(call.reply(&DescribeLogDirsResponse {
        results: vec![result].into(),
        ..Default::default()
    }))
}

/// As the node's own configuration tells it.
fn directory<R: Runtime>(call: &Call<R>) -> String {
    let node = call.context.broker.node();
    let configs = call
        .context
        .broker
        .image(|image| image.describe_broker(node));
    let named = |name: &str| {
        let config = configs.iter().find(|config| config.name == name);
        config.and_then(|config| config.value.clone())
    };
    named("log.dirs").or(named("log.dir")).unwrap_or_default()
}

fn names<R: Runtime>(call: &Call<R>, sizes: &[PartitionSize]) -> BTreeMap<TopicId, String> {
    let ids: BTreeSet<TopicId> = sizes.iter().map(|size| size.key.topic).collect();
    call.context.broker.image(|image| {
        let named = |id: TopicId| Some((id, image.topic(id)?.name.clone()));
        ids.into_iter().filter_map(named).collect()
    })
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
