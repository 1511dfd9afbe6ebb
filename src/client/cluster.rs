//! The cluster as a whole.

use corelog_base::NodeId;
use corelog_wire::kafka::{DescribeClusterRequest, DescribeClusterResponse};

use crate::backoff::Backoff;
use crate::error::check;
use crate::{Broker, Client, Error, Kind, TopicFilter};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterInfo {
    pub cluster_id: Option<String>,
    pub controller: Option<NodeId>,
    pub nodes: Vec<ClusterNode>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterNode {
    pub broker: Broker,
    /// Registered, but not taking part.
    pub fenced: bool,
}

impl Client {
    /// Who the cluster is. Brokers before 2.8 are asked by their metadata.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn describe_cluster(&self) -> Result<ClusterInfo, Error> {
        let mut backoff = Backoff::new(self.options());
        loop {
            let error = match self.cluster_once().await {
                Ok(info) => return Ok(info),
                Err(error) if error.kind == Kind::Unsupported => {
                    return self.cluster_of_metadata().await;
                }
                Err(error) => error,
            };
            self.recover(&mut backoff, error).await?;
        }
    }

    async fn cluster_once(&self) -> Result<ClusterInfo, Error> {
        let reply = self.call_any(&DescribeClusterRequest::default()).await?;
        let response: DescribeClusterResponse<'_> = reply.read()?;
        check(response.error_code, response.error_message, || {
            "describe the cluster".to_string()
        })?;
        let nodes = response.brokers.iter().map(|broker| ClusterNode {
            broker: Broker {
                node: NodeId(broker.broker_id),
                host: broker.host.to_string(),
                port: broker.port,
                rack: broker.rack.map(str::to_string),
            },
            fenced: broker.is_fenced,
        });
        Ok(ClusterInfo {
            cluster_id: Some(response.cluster_id.to_string()),
            controller: Some(NodeId(response.controller_id)).filter(|node| node.0 >= 0),
            nodes: nodes.collect(),
        })
    }

    async fn cluster_of_metadata(&self) -> Result<ClusterInfo, Error> {
        let metadata = self.metadata(TopicFilter::None).await?;
        let nodes = metadata.brokers.into_values().map(|broker| ClusterNode {
            broker,
            fenced: false,
        });
        Ok(ClusterInfo {
            cluster_id: metadata.cluster_id,
            controller: metadata.controller,
            nodes: nodes.collect(),
        })
    }
}
