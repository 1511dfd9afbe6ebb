//! `corelog topic`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use corelog_base::{Offset, PartitionIndex};
use corelog_client::{
    Client, ConfigChange, ConfigResource, Error, Isolation, NewTopic, OffsetAt, TopicFilter,
    TopicMetadata, TopicPartition,
};
use serde_json::json;

use super::common::{Common, Failure, outcomes, print, print_json, run, table};
use super::start::{Place, parse_place};

/// Create, list, describe, change, trim and delete topics.
#[derive(Args)]
pub(crate) struct Topic {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create topics.
    Create(Create),
    /// List topics.
    #[command(visible_alias = "ls")]
    List(List),
    /// Show a topic's partitions, offsets and settings.
    #[command(visible_alias = "info")]
    Describe(Describe),
    /// Change a topic's settings.
    #[command(visible_alias = "alter-config")]
    Alter(Alter),
    /// Add partitions to topics.
    AddPartitions(AddPartitions),
    /// Delete the records before an offset.
    #[command(visible_alias = "trim-prefix")]
    Trim(Trim),
    /// Delete topics with all their records.
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Args)]
struct Create {
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Number of partitions; the broker's default if not given.
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Number of replicas; the broker's default if not given.
    #[arg(short, long, value_parser = clap::value_parser!(i16).range(1..))]
    replicas: Option<i16>,
    /// A setting, such as retention.ms=3600000; may be repeated.
    #[arg(short = 'c', long = "topic-config", value_name = "KEY=VALUE", value_parser = pair)]
    configs: Vec<(String, String)>,
    /// Only check that the topics could be created.
    #[arg(short, long)]
    dry: bool,
    /// Do not fail if a topic exists.
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct List {
    /// Only these; all if none is named.
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
    /// Internal topics too.
    #[arg(short, long)]
    internal: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Describe {
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Alter {
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Give a setting a value; may be repeated.
    #[arg(short, long, visible_short_alias = 'c', value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Put a setting back to its default; may be repeated.
    #[arg(short, long, value_name = "KEY")]
    delete: Vec<String>,
    /// Add to a setting that is a list.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    append: Vec<(String, String)>,
    /// Take from a setting that is a list.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    subtract: Vec<(String, String)>,
    /// Only check that the change could be made.
    #[arg(long)]
    dry: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct AddPartitions {
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// How many to add.
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(1..))]
    num: i32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Trim {
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// The first offset to keep: N, end, or @TIME for the first record at or after a time.
    #[arg(short, long, value_parser = parse_place, allow_hyphen_values = true)]
    offset: Place,
    /// Only these partitions; all if none is named.
    #[arg(short, long, value_delimiter = ',', value_name = "N")]
    partitions: Vec<i32>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Delete {
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// KEY=VALUE.
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("give it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Topic {
    pub(crate) fn run(self) -> ExitCode {
        run(async {
            match self.command {
                Command::Create(c) => c.run().await,
                Command::List(c) => c.run().await,
                Command::Describe(c) => c.run().await,
                Command::Alter(c) => c.run().await,
                Command::AddPartitions(c) => c.run().await,
                Command::Trim(c) => c.run().await,
                Command::Delete(c) => c.run().await,
            }
        })
    }
}

/// One outcome a topic, printed as it is asked for.
fn report(
    common: &Common,
    results: Vec<(String, Result<serde_json::Value, Error>)>,
    (verb, done): (&str, &str),
) -> Result<(), Failure> {
    let mut failed = Vec::new();
    let (mut lines, mut values) = (String::new(), Vec::new());
    let mut good = 0;
    for (name, result) in results {
        match result {
            Ok(more) => {
                good += 1;
                lines += &format!("{done} topic {name}\n");
                values.push(json!({"topic": name, "status": "OK", "result": more}));
            }
            Err(error) => {
                values.push(json!({"topic": name, "status": error.to_string()}));
                failed.push((format!("topic {name}"), error));
            }
        }
    }
    match common.is_json() {
        true => print_json(&json!(values))?,
        false => print(&lines)?,
    }
    outcomes(good, &failed, verb)
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let topics: Vec<NewTopic> = self
            .topics
            .iter()
            .map(|name| NewTopic {
                name: name.clone(),
                partitions: self.partitions,
                replicas: self.replicas,
                configs: self.configs.clone(),
            })
            .collect();
        let created = client.create_topics(&topics, self.dry).await?;
        let exists = |error: &Error| {
            let code = error.code().map(|c| c.to_string());
            self.if_not_exists && code.is_some_and(|c| c.contains("TOPIC_ALREADY_EXISTS"))
        };
        let results = created
            .into_iter()
            .map(|(name, result)| {
                let result = match result {
                    Ok(topic) => Ok(json!({
                        "id": topic.id.to_string(),
                        "partitions": topic.partitions,
                        "replicas": topic.replicas,
                    })),
                    Err(error) if exists(&error) => Ok(json!({"existed": true})),
                    Err(error) => Err(error),
                };
                (name, result)
            })
            .collect();
        let done = if self.dry { "Could create" } else { "Created" };
        report(&self.common, results, ("create", done))
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let found: BTreeMap<String, TopicMetadata> = if names.is_empty() {
            client.metadata(TopicFilter::All).await?.topics
        } else {
            client.topics(TopicFilter::Named(&names)).await?
        };
        let shown = found
            .iter()
            .filter(|(_, topic)| self.internal || !topic.internal || !names.is_empty());
        let replicas = |topic: &TopicMetadata| {
            let counts = topic.partitions.values().map(|p| p.replicas.len());
            counts.max().unwrap_or(0)
        };
        if self.common.is_json() {
            let values: Vec<_> = shown
                .map(|(name, topic)| {
                    json!({
                        "name": name,
                        "id": topic.id.to_string(),
                        "partitions": topic.partitions.len(),
                        "replicas": replicas(topic),
                        "internal": topic.internal,
                    })
                })
                .collect();
            return print_json(&json!(values));
        }
        let rows: Vec<Vec<String>> = shown
            .map(|(name, topic)| {
                let count = topic.partitions.len();
                vec![name.clone(), count.to_string(), replicas(topic).to_string()]
            })
            .collect();
        print(&table(&["NAME", "PARTITIONS", "REPLICAS"], &rows))
    }
}

/// The first and the next offset of each partition.
async fn offsets(
    client: &Client,
    name: &str,
    topic: &TopicMetadata,
    at: OffsetAt,
) -> Result<BTreeMap<PartitionIndex, Offset>, Failure> {
    let items = topic.partitions.keys().map(|index| {
        let partition = TopicPartition::new(name, *index);
        (partition, at)
    });
    let asked = client.list_offsets(items.collect(), Isolation::Uncommitted);
    let mut found = BTreeMap::new();
    for (partition, result) in asked.await {
        if let Some(offset) = result?.offset {
            found.insert(partition.partition, offset);
        }
    }
    Ok(found)
}

impl Describe {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let topics = client.topics(TopicFilter::Named(&names)).await?;
        let mut values = Vec::new();
        for (name, topic) in &topics {
            let starts = offsets(&client, name, topic, OffsetAt::Earliest).await?;
            let ends = offsets(&client, name, topic, OffsetAt::Latest).await?;
            let resource = ConfigResource::Topic(name.clone());
            let configs = client.describe_configs(&resource).await?;
            if self.common.is_json() {
                values.push(describe_json(name, topic, (&starts, &ends), &configs));
            } else {
                let rows = configs.iter().map(|c| {
                    let value = c.value.clone().unwrap_or_default();
                    vec![c.name.clone(), value, c.source.name().to_owned()]
                });
                let text = format!(
                    "SUMMARY\nname        {name}\nid          {}\npartitions  {}\n\nPARTITIONS\n{}\nCONFIGS\n{}",
                    topic.id,
                    topic.partitions.len(),
                    partitions_table(topic, &starts, &ends),
                    table(&["KEY", "VALUE", "SOURCE"], &rows.collect::<Vec<_>>()),
                );
                print(&text)?;
            }
        }
        match self.common.is_json() {
            true => print_json(&json!(values)),
            false => Ok(()),
        }
    }
}

type Offsets = BTreeMap<PartitionIndex, Offset>;

fn partitions_table(topic: &TopicMetadata, starts: &Offsets, ends: &Offsets) -> String {
    let list = |nodes: &[corelog_base::NodeId]| {
        let nodes: Vec<String> = nodes.iter().map(|n| n.0.to_string()).collect();
        nodes.join(",")
    };
    let of = |all: &Offsets, index| all.get(&index).map_or("-".to_owned(), |o| o.0.to_string());
    let rows = topic.partitions.iter().map(|(index, p)| {
        vec![
            index.0.to_string(),
            p.leader.map_or("none".to_owned(), |n| n.0.to_string()),
            p.leader_epoch.0.to_string(),
            list(&p.replicas),
            list(&p.in_sync),
            of(starts, *index),
            of(ends, *index),
        ]
    });
    let head = [
        "PARTITION",
        "LEADER",
        "EPOCH",
        "REPLICAS",
        "IN-SYNC",
        "LOG-START-OFFSET",
        "HIGH-WATERMARK",
    ];
    table(&head, &rows.collect::<Vec<_>>())
}

fn describe_json(
    name: &str,
    topic: &TopicMetadata,
    (starts, ends): (&Offsets, &Offsets),
    configs: &[corelog_client::ConfigEntry],
) -> serde_json::Value {
    let ids = |nodes: &[corelog_base::NodeId]| nodes.iter().map(|n| n.0).collect::<Vec<_>>();
    let partitions: Vec<_> = topic
        .partitions
        .iter()
        .map(|(index, p)| {
            json!({
                "partition": index.0,
                "leader": p.leader.map(|n| n.0),
                "epoch": p.leader_epoch.0,
                "replicas": ids(&p.replicas),
                "in_sync": ids(&p.in_sync),
                "log_start_offset": starts.get(index).map(|o| o.0),
                "high_watermark": ends.get(index).map(|o| o.0),
            })
        })
        .collect();
    let configs: Vec<_> = configs
        .iter()
        .map(|c| json!({"key": c.name, "value": c.value, "source": c.source.name()}))
        .collect();
    json!({
        "name": name,
        "id": topic.id.to_string(),
        "internal": topic.internal,
        "partitions": partitions,
        "configs": configs,
    })
}

impl Alter {
    async fn run(self) -> Result<(), Failure> {
        let all = |pairs: &[(String, String)], make: fn(String, String) -> ConfigChange| {
            let each = pairs.iter().cloned();
            each.map(|(k, v)| make(k, v)).collect::<Vec<_>>()
        };
        let mut changes = all(&self.set, ConfigChange::Set);
        changes.extend(self.delete.iter().cloned().map(ConfigChange::Delete));
        changes.extend(all(&self.append, ConfigChange::Append));
        changes.extend(all(&self.subtract, ConfigChange::Subtract));
        if changes.is_empty() {
            return Err(Failure::usage(
                "nothing to change: give --set KEY=VALUE or --delete KEY",
            ));
        }
        let client = self.common.client().await?;
        let mut results = Vec::new();
        for name in &self.topics {
            let resource = ConfigResource::Topic(name.clone());
            let altered = client.alter_configs(&resource, &changes, self.dry).await;
            results.push((name.clone(), altered.map(|()| json!({}))));
        }
        let done = if self.dry { "Could alter" } else { "Altered" };
        report(&self.common, results, ("alter", done))
    }
}

impl AddPartitions {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let topics = client.topics(TopicFilter::Named(&names)).await?;
        let mut results = Vec::new();
        for (name, topic) in &topics {
            let now = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
            let count = now.saturating_add(self.num);
            let grown = client.create_partitions(name, count).await;
            results.push((name.clone(), grown.map(|()| json!({"partitions": count}))));
        }
        report(
            &self.common,
            results,
            ("add partitions to", "Added partitions to"),
        )
    }
}

impl Trim {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let topics = client.topics(TopicFilter::Named(&[&self.topic])).await?;
        let all = topics.values().flat_map(|t| t.partitions.keys().copied());
        let wanted = |index: &PartitionIndex| {
            self.partitions.is_empty() || self.partitions.contains(&index.0)
        };
        let partitions: Vec<TopicPartition> = all
            .filter(wanted)
            .map(|index| TopicPartition::new(&self.topic, index))
            .collect();
        if partitions.is_empty() {
            return Err(Failure::usage(format!(
                "topic {} has none of these partitions",
                self.topic
            )));
        }
        let places = self.offset.find(&client, &partitions).await?;
        let mut failed = Vec::new();
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (partition, result) in client.delete_records(places).await {
            let index = partition.partition.0;
            match result {
                Ok(cut) => {
                    rows.push(vec![
                        self.topic.clone(),
                        index.to_string(),
                        cut.start.0.to_string(),
                    ]);
                    values.push(json!({"partition": index, "log_start_offset": cut.start.0}));
                }
                Err(error) => {
                    values.push(json!({"partition": index, "error": error.to_string()}));
                    failed.push((partition.to_string(), error));
                }
            }
        }
        match self.common.is_json() {
            true => print_json(&json!(values))?,
            false => print(&table(&["TOPIC", "PARTITION", "LOG-START-OFFSET"], &rows))?,
        }
        outcomes(rows.len(), &failed, "trim")
    }
}

impl Delete {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let deleted = client.delete_topics(&names).await?;
        let results = deleted.into_iter();
        let results = results.map(|(name, r)| (name, r.map(|()| json!({}))));
        report(&self.common, results.collect(), ("delete", "Deleted"))
    }
}
