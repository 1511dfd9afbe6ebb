//! `corelog cluster`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::common::{Common, Failure, print, print_json, run, table};

/// Look at a cluster.
#[derive(Args)]
pub(crate) struct Cluster {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the cluster's id and its brokers; a star marks the controller.
    #[command(visible_alias = "status")]
    Info(Info),
}

#[derive(Args)]
struct Info {
    #[command(flatten)]
    common: Common,
}

impl Cluster {
    pub(crate) fn run(self) -> ExitCode {
        match self.command {
            Command::Info(info) => run(info.run()),
        }
    }
}

impl Info {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let info = client.describe_cluster().await?;
        let id = info.cluster_id.clone().unwrap_or_default();
        if self.common.is_json() {
            let brokers: Vec<_> = info
                .nodes
                .iter()
                .map(|node| {
                    let broker = &node.broker;
                    json!({
                        "id": broker.node.0,
                        "host": broker.host,
                        "port": broker.port,
                        "rack": broker.rack,
                        "fenced": node.fenced,
                    })
                })
                .collect();
            return print_json(&json!({
                "cluster_id": id,
                "controller": info.controller.map(|node| node.0),
                "brokers": brokers,
            }));
        }
        let rows: Vec<Vec<String>> = info
            .nodes
            .iter()
            .map(|node| {
                let broker = &node.broker;
                let star = if info.controller == Some(broker.node) {
                    "*"
                } else {
                    ""
                };
                vec![
                    format!("{}{star}", broker.node.0),
                    broker.host.clone(),
                    broker.port.to_string(),
                    broker.rack.clone().unwrap_or_default(),
                    if node.fenced { "fenced" } else { "alive" }.to_owned(),
                ]
            })
            .collect();
        let brokers = table(&["ID", "HOST", "PORT", "RACK", "STATE"], &rows);
        print(&format!("CLUSTER\n{id}\n\nBROKERS\n{brokers}"))
    }
}
