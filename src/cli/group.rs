//! `corelog group`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use corelog_base::{Offset, PartitionIndex};
use corelog_client::{
    Client, DescribedGroup, Error, Isolation, OffsetAt, TopicFilter, TopicPartition,
};
use serde_json::json;

use super::common::{Common, Failure, outcomes, print, print_json, run, table};
use super::start::{Place, parse_place};

/// List, describe, move and delete consumer groups.
#[derive(Args)]
pub(crate) struct Group {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List groups.
    #[command(visible_alias = "ls")]
    List(List),
    /// Show a group's members, its offsets and how far behind it is.
    #[command(visible_alias = "info")]
    Describe(Describe),
    /// Move a group's offsets; it must have no members.
    Seek(Seek),
    /// Forget some of a group's offsets.
    OffsetDelete(OffsetDelete),
    /// Delete groups without members, with all their offsets.
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Describe {
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Seek {
    #[arg(value_name = "GROUP")]
    group: String,
    /// Where to: start, end, N, +N after the start, -N before the end, @TIME.
    #[arg(long, value_name = "PLACE", value_parser = parse_place, allow_hyphen_values = true)]
    to: Place,
    /// Only these topics; all that the group has offsets of if none is named.
    #[arg(short, long, value_delimiter = ',', value_name = "TOPIC")]
    topics: Vec<String>,
    /// Only these partitions.
    #[arg(short, long, value_delimiter = ',', value_name = "N")]
    partitions: Vec<i32>,
    /// Only show where to.
    #[arg(long)]
    dry: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct OffsetDelete {
    #[arg(value_name = "GROUP")]
    group: String,
    /// The topics whose offsets are forgotten.
    #[arg(
        short,
        long,
        required = true,
        value_delimiter = ',',
        value_name = "TOPIC"
    )]
    topics: Vec<String>,
    /// Only these partitions.
    #[arg(short, long, value_delimiter = ',', value_name = "N")]
    partitions: Vec<i32>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Delete {
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl Group {
    pub(crate) fn run(self) -> ExitCode {
        match self.command {
            Command::List(list) => run(list.run()),
            Command::Describe(describe) => run(describe.run()),
            Command::Seek(seek) => run(seek.run()),
            Command::OffsetDelete(delete) => run(delete.run()),
            Command::Delete(delete) => run(delete.run()),
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let groups = client.list_groups().await?;
        if self.common.is_json() {
            let groups = groups.iter().map(|group| {
                json!({
                    "group": group.id,
                    "type": group.kind,
                    "protocol_type": group.protocol_type,
                    "state": group.state,
                    "coordinator": group.coordinator.0,
                })
            });
            return print_json(&groups.collect());
        }
        let rows = groups.into_iter().map(|group| {
            let coordinator = group.coordinator.to_string();
            vec![group.id, group.kind, group.state, coordinator]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        print(&table(&["GROUP", "TYPE", "STATE", "COORDINATOR"], &rows))
    }
}

/// One partition that a group has to do with.
struct Row {
    partition: TopicPartition,
    committed: Option<Offset>,
    start: Option<Offset>,
    end: Option<Offset>,
    member: Option<String>,
}

impl Row {
    /// How many offsets the group has not read; all that there are if it has committed nothing.
    fn lag(&self) -> Option<i64> {
        let end = self.end?.0;
        let from = self.committed.or(self.start)?;
        Some((end - from.0).max(0))
    }
}

async fn positions(
    client: &Client,
    partitions: &BTreeSet<TopicPartition>,
    at: OffsetAt,
) -> BTreeMap<TopicPartition, Offset> {
    let items = partitions.iter().map(|p| (p.clone(), at)).collect();
    let found = client.list_offsets(items, Isolation::Uncommitted).await;
    // Of a topic that is gone, nothing is known.
    let known = found.into_iter();
    known
        .filter_map(|(partition, found)| Some((partition, found.ok()?.offset?)))
        .collect()
}

async fn rows(client: &Client, group: &str, described: &DescribedGroup) -> Result<Vec<Row>, Error> {
    let committed = client.committed(group).await?;
    let mut holders: BTreeMap<TopicPartition, String> = BTreeMap::new();
    for member in &described.members {
        let assigned = member.assigned.iter();
        holders.extend(assigned.map(|partition| (partition.clone(), member.id.clone())));
    }
    let all: BTreeSet<TopicPartition> = committed.keys().chain(holders.keys()).cloned().collect();
    let starts = positions(client, &all, OffsetAt::Earliest).await;
    let ends = positions(client, &all, OffsetAt::Latest).await;
    let rows = all.into_iter().map(|partition| Row {
        committed: committed.get(&partition).copied(),
        start: starts.get(&partition).copied(),
        end: ends.get(&partition).copied(),
        member: holders.remove(&partition),
        partition,
    });
    Ok(rows.collect())
}

fn shown<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

impl Describe {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let mut texts = Vec::new();
        let mut values = Vec::new();
        let mut failed = Vec::new();
        for group in &self.groups {
            let described = client.describe_group(group).await;
            let found = match described {
                Ok(described) => {
                    let rows = rows(&client, group, &described).await;
                    rows.map(|rows| (described, rows))
                }
                Err(error) => Err(error),
            };
            match found {
                Ok((described, rows)) => {
                    texts.push(text(group, &described, &rows));
                    values.push(value(group, &described, &rows));
                }
                Err(error) => failed.push((group.clone(), error)),
            }
        }
        match self.common.is_json() {
            true => print_json(&json!(values))?,
            false => print(&texts.join("\n"))?,
        }
        outcomes(texts.len(), &failed, "describe")
    }
}

fn lag(rows: &[Row]) -> i64 {
    rows.iter().filter_map(Row::lag).sum()
}

fn text(group: &str, described: &DescribedGroup, rows: &[Row]) -> String {
    let head = [
        ("GROUP", group.to_owned()),
        ("TYPE", described.kind.to_owned()),
        ("STATE", described.state.clone()),
        ("PROTOCOL", described.protocol.clone()),
        ("COORDINATOR", described.coordinator.to_string()),
        ("MEMBERS", described.members.len().to_string()),
        ("TOTAL-LAG", lag(rows).to_string()),
    ];
    let mut text = String::new();
    for (name, value) in head {
        text += &format!("{name:12} {value}\n");
    }
    let cells = rows.iter().map(|row| {
        vec![
            row.partition.topic.clone(),
            row.partition.partition.to_string(),
            shown(row.committed),
            shown(row.start),
            shown(row.end),
            shown(row.lag()),
            shown(row.member.as_ref()),
        ]
    });
    let cells: Vec<Vec<String>> = cells.collect();
    if !cells.is_empty() {
        let head = [
            "TOPIC",
            "PARTITION",
            "COMMITTED",
            "START",
            "END",
            "LAG",
            "MEMBER",
        ];
        text += &format!("\n{}", table(&head, &cells));
    }
    let members = described.members.iter().map(|member| {
        vec![
            member.id.clone(),
            shown(member.instance.as_ref()),
            member.client.clone(),
            member.host.clone(),
            member.assigned.len().to_string(),
        ]
    });
    let members: Vec<Vec<String>> = members.collect();
    if !members.is_empty() {
        let head = ["MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS"];
        text += &format!("\n{}", table(&head, &members));
    }
    text
}

fn value(group: &str, described: &DescribedGroup, rows: &[Row]) -> serde_json::Value {
    let partitions = rows.iter().map(|row| {
        json!({
            "topic": row.partition.topic,
            "partition": row.partition.partition.0,
            "committed": row.committed.map(|o| o.0),
            "start": row.start.map(|o| o.0),
            "end": row.end.map(|o| o.0),
            "lag": row.lag(),
            "member": row.member,
        })
    });
    let members = described.members.iter().map(|member| {
        json!({
            "id": member.id,
            "instance": member.instance,
            "client": member.client,
            "host": member.host,
        })
    });
    json!({
        "group": group,
        "type": described.kind,
        "state": described.state,
        "protocol": described.protocol,
        "coordinator": described.coordinator.0,
        "total_lag": lag(rows),
        "partitions": partitions.collect::<Vec<_>>(),
        "members": members.collect::<Vec<_>>(),
    })
}

/// All partitions of topics, or only those that are named.
async fn partitions_of(
    client: &Client,
    topics: &[String],
    only: &[i32],
) -> Result<Vec<TopicPartition>, Failure> {
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let found = client.topics(TopicFilter::Named(&names)).await?;
    let mut all = Vec::new();
    for (name, topic) in &found {
        let indexes = topic.partitions.keys();
        let wanted = indexes.filter(|index| only.is_empty() || only.contains(&index.0));
        all.extend(wanted.map(|index: &PartitionIndex| TopicPartition::new(name, *index)));
    }
    Ok(all)
}

impl Seek {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let committed = client.committed(&self.group).await?;
        let partitions = match self.topics.is_empty() {
            true => {
                let known = committed.keys().cloned();
                let wanted = |p: &TopicPartition| {
                    self.partitions.is_empty() || self.partitions.contains(&p.partition.0)
                };
                known.filter(wanted).collect()
            }
            false => partitions_of(&client, &self.topics, &self.partitions).await?,
        };
        if partitions.is_empty() {
            return Err(Failure::usage(format!(
                "group {} has no offsets there: name topics with --topics",
                self.group
            )));
        }
        let places = self.to.find(&client, &partitions).await?;
        let moves = places
            .into_iter()
            .filter_map(|(p, offset)| Some((p, offset?)));
        let moves: Vec<(TopicPartition, Offset)> = moves.collect();
        let done = match self.dry {
            true => moves.iter().map(|(p, _)| (p.clone(), Ok(()))).collect(),
            false => {
                let asked = client.commit_offsets(&self.group, None, moves.clone());
                asked.await.map_err(|error| self.explain(&error))?
            }
        };
        let to: BTreeMap<TopicPartition, Offset> = moves.into_iter().collect();
        let (mut rows, mut values, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (partition, outcome) in done {
            if let Err(error) = outcome {
                failed.push((partition.to_string(), error));
                continue;
            }
            let (before, after) = (committed.get(&partition), to.get(&partition));
            rows.push(vec![
                partition.topic.clone(),
                partition.partition.to_string(),
                shown(before),
                shown(after),
            ]);
            values.push(json!({
                "topic": partition.topic,
                "partition": partition.partition.0,
                "before": before.map(|o| o.0),
                "after": after.map(|o| o.0),
            }));
        }
        if let [(_, error), ..] = failed.as_slice()
            && rows.is_empty()
        {
            return Err(self.explain(error));
        }
        match self.common.is_json() {
            true => print_json(&json!(values))?,
            false => print(&table(&["TOPIC", "PARTITION", "BEFORE", "AFTER"], &rows))?,
        }
        outcomes(rows.len(), &failed, "move")
    }

    fn explain(&self, error: &Error) -> Failure {
        let failure = Failure::of(error);
        let busy = error.to_string().contains("UNKNOWN_MEMBER_ID");
        Failure {
            hint: match busy {
                true => Some(format!(
                    "Group {} has members: stop them first; 'corelog group describe {0}' shows them.",
                    self.group
                )),
                false => failure.hint,
            },
            ..failure
        }
    }
}

impl OffsetDelete {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let partitions = partitions_of(&client, &self.topics, &self.partitions).await?;
        let deleted = client.delete_offsets(&self.group, partitions).await?;
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (partition, outcome) in deleted {
            match outcome {
                Ok(()) => done.push(partition.to_string()),
                Err(error) => failed.push((partition.to_string(), error)),
            }
        }
        match self.common.is_json() {
            true => print_json(&json!(done))?,
            false => print(&format!(
                "Forgot the offsets of {} partitions\n",
                done.len()
            ))?,
        }
        outcomes(done.len(), &failed, "forget the offset of")
    }
}

impl Delete {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for group in self.groups {
            match client.delete_group(&group).await {
                Ok(()) => done.push(group),
                Err(error) => failed.push((group, error)),
            }
        }
        match self.common.is_json() {
            true => print_json(&json!(done))?,
            false => {
                let lines = done.iter().map(|group| format!("Deleted {group}\n"));
                print(&lines.collect::<String>())?;
            }
        }
        outcomes(done.len(), &failed, "delete")
    }
}
