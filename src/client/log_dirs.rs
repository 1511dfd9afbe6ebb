//! What lies on a broker's disks.

use std::time::Duration;

use corelog_base::{NodeId, PartitionIndex};
use corelog_wire::kafka::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult, ErrorCode,
};

use crate::backoff::Backoff;
use crate::client::ANY_VERSION;
use crate::error::check;
use crate::{Client, Error, TopicPartition};

/// One data directory of a broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogDir {
    pub path: String,
    pub error: ErrorCode,
    /// Of the volume; None from brokers before 3.3.
    pub total_bytes: Option<u64>,
    pub usable_bytes: Option<u64>,
    pub replicas: Vec<ReplicaSize>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaSize {
    pub partition: TopicPartition,
    pub bytes: u64,
}

impl Client {
    /// The data directories of a broker, with the size of each replica in them.
    ///
    /// # Errors
    /// If the broker cannot be asked, or refuses.
    pub async fn describe_log_dirs(&self, node: NodeId) -> Result<Vec<LogDir>, Error> {
        let request = DescribeLogDirsRequest { topics: None };
        let mut backoff = Backoff::new(self.options());
        let reply = loop {
            let asked = self.call_node(node, ANY_VERSION, &request, Duration::ZERO);
            match asked.await {
                Ok(reply) => break reply,
                Err(error) => self.recover(&mut backoff, error).await?,
            }
        };
        let response: DescribeLogDirsResponse<'_> = reply.read()?;
        check(response.error_code, None, || {
            format!("ask broker {node} for its data directories")
        })?;
        let dirs = response.results.iter();
        Ok(dirs.map(|dir| dir_of(&dir)).collect())
    }
}

fn dir_of(dir: &DescribeLogDirsResult<'_>) -> LogDir {
    let mut replicas = Vec::new();
    for topic in dir.topics.iter() {
        for partition in topic.partitions.iter() {
            let index = PartitionIndex(partition.partition_index);
            replicas.push(ReplicaSize {
                partition: TopicPartition::new(topic.name, index),
                bytes: u64::try_from(partition.partition_size).unwrap_or(0),
            });
        }
    }
    LogDir {
        path: dir.log_dir.to_string(),
        error: dir.error_code,
        total_bytes: u64::try_from(dir.total_bytes).ok(),
        usable_bytes: u64::try_from(dir.usable_bytes).ok(),
        replicas,
    }
}
