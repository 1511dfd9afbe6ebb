//! `corelog txn`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use corelog_base::{Offset, ProducerId};
use corelog_client::{
    Client, DescribedTransaction, Error, PartitionProducer, TopicFilter, TopicPartition,
};
use serde_json::json;

use super::common::{Common, Failure, outcomes, print, print_json, run, table};

/// List, describe and abort transactions.
#[derive(Args)]
pub(crate) struct Txn {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List transactional ids; or with --hanging the transactions that no coordinator will end.
    #[command(visible_alias = "ls")]
    List(List),
    /// Show the transactions of ids: state, producer, age, partitions.
    #[command(visible_alias = "info")]
    Describe(Describe),
    /// Abort transactions, of ids or of partitions.
    Abort(Abort),
}

#[derive(Args)]
struct List {
    /// Only these states: Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort.
    #[arg(long, value_delimiter = ',', value_name = "STATE")]
    states: Vec<String>,
    /// Transactions that are open in a partition, and that their coordinator knows nothing of: they
    /// hold up readers of committed records until they are aborted.
    #[arg(long, conflicts_with = "states")]
    hanging: bool,
    /// With --hanging: only these topics.
    #[arg(
        short,
        long,
        value_delimiter = ',',
        value_name = "TOPIC",
        requires = "hanging"
    )]
    topics: Vec<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Describe {
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Abort {
    /// Transactional ids: their open transactions are aborted, and their producers fenced.
    #[arg(value_name = "ID", required_unless_present_any = ["topic", "hanging"])]
    ids: Vec<String>,
    /// In place of ids: the topic of a transaction that hangs, with --partition and --start.
    #[arg(short, long, value_name = "TOPIC", requires_all = ["partition", "start"], conflicts_with = "ids")]
    topic: Option<String>,
    #[arg(short, long, value_name = "N", requires = "topic")]
    partition: Option<i32>,
    /// The offset at which it begins, as 'txn list --hanging' shows it.
    #[arg(long, value_name = "OFFSET", requires = "topic")]
    start: Option<i64>,
    /// Everything that 'txn list --hanging' shows.
    #[arg(long, conflicts_with_all = ["ids", "topic"])]
    hanging: bool,
    #[command(flatten)]
    common: Common,
}

impl Txn {
    pub(crate) fn run(self) -> ExitCode {
        match self.command {
            Command::List(list) => run(list.run()),
            Command::Describe(describe) => run(describe.run()),
            Command::Abort(abort) => run(abort.run()),
        }
    }
}

/// A transaction that is open in a partition.
type Open = (TopicPartition, Offset, PartitionProducer);

/// What is open in partitions, by their leaders' word.
async fn open(client: &Client, topics: &[String]) -> Result<Vec<Open>, Failure> {
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let filter = match names.is_empty() {
        true => TopicFilter::All,
        false => TopicFilter::Named(&names),
    };
    let topics = client.topics(filter).await?;
    let mut partitions = Vec::new();
    for (name, topic) in &topics {
        let indexes = topic.partitions.keys();
        partitions.extend(indexes.map(|index| TopicPartition::new(name, *index)));
    }
    let mut open = Vec::new();
    let mut failed = Vec::new();
    for (partition, found) in client.describe_producers(partitions).await {
        match found {
            Ok(producers) => open.extend(producers.into_iter().filter_map(|producer| {
                let from = producer.open_from?;
                Some((partition.clone(), from, producer))
            })),
            Err(error) => failed.push((partition.to_string(), error)),
        }
    }
    outcomes(open.len(), &failed, "ask")?;
    Ok(open)
}

/// Those of which no coordinator knows that they are open in that partition.
async fn hanging(client: &Client, topics: &[String]) -> Result<Vec<Open>, Failure> {
    // The partitions first: what is opened afterwards is not taken for hanging.
    let open = open(client, topics).await?;
    let producers: BTreeSet<ProducerId> = open.iter().map(|(_, _, p)| p.producer).collect();
    let mut known: BTreeMap<ProducerId, DescribedTransaction> = BTreeMap::new();
    for listed in client.list_transactions(&[]).await? {
        if producers.contains(&listed.producer) {
            let described = client.describe_transaction(&listed.id).await?;
            known.insert(listed.producer, described);
        }
    }
    let is_known = |(partition, _, producer): &Open| {
        let transaction = known.get(&producer.producer);
        transaction.is_some_and(|transaction| transaction.partitions.contains(partition))
    };
    let mut hanging = Vec::new();
    for found in open {
        // One that has ended meanwhile is not open any more.
        if !is_known(&found) && still_open(client, &found).await? {
            hanging.push(found);
        }
    }
    Ok(hanging)
}

async fn still_open(client: &Client, (partition, from, of): &Open) -> Result<bool, Error> {
    for (_, found) in client.describe_producers(vec![partition.clone()]).await {
        let mut producers = found?.into_iter();
        if producers.any(|p| p.producer == of.producer && p.open_from == Some(*from)) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        if self.hanging {
            let found = hanging(&client, &self.topics).await?;
            return self.print_hanging(&found);
        }
        let listed = client.list_transactions(&self.states).await?;
        if self.common.is_json() {
            let values = listed.iter().map(|transaction| {
                json!({
                    "id": transaction.id,
                    "producer_id": transaction.producer.0,
                    "state": transaction.state,
                    "coordinator": transaction.coordinator.0,
                })
            });
            return print_json(&values.collect());
        }
        let rows = listed.into_iter().map(|transaction| {
            let (producer, node) = (transaction.producer.0, transaction.coordinator);
            vec![
                transaction.id,
                producer.to_string(),
                transaction.state,
                node.to_string(),
            ]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        print(&table(&["ID", "PRODUCER", "STATE", "COORDINATOR"], &rows))
    }

    fn print_hanging(&self, found: &[Open]) -> Result<(), Failure> {
        if self.common.is_json() {
            let values = found.iter().map(|(partition, from, producer)| {
                json!({
                    "topic": partition.topic,
                    "partition": partition.partition.0,
                    "start": from.0,
                    "producer_id": producer.producer.0,
                    "producer_epoch": producer.epoch,
                    "last_timestamp_ms": producer.last_timestamp.0,
                })
            });
            return print_json(&values.collect());
        }
        let rows = found.iter().map(|(partition, from, producer)| {
            vec![
                partition.topic.clone(),
                partition.partition.to_string(),
                from.to_string(),
                producer.producer.0.to_string(),
                producer.epoch.to_string(),
            ]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        let head = ["TOPIC", "PARTITION", "START", "PRODUCER", "EPOCH"];
        print(&table(&head, &rows))
    }
}

impl Describe {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        let mut texts = Vec::new();
        let mut values = Vec::new();
        let mut failed = Vec::new();
        for id in &self.ids {
            match client.describe_transaction(id).await {
                Ok(described) => {
                    texts.push(text(id, &described));
                    values.push(value(id, &described));
                }
                Err(error) => failed.push((id.clone(), error)),
            }
        }
        match self.common.is_json() {
            true => print_json(&json!(values))?,
            false => print(&texts.join("\n"))?,
        }
        outcomes(texts.len(), &failed, "describe")
    }
}

fn text(id: &str, described: &DescribedTransaction) -> String {
    let started = described.started.map_or(-1, |started| started.0);
    let head = [
        ("ID", id.to_owned()),
        ("STATE", described.state.clone()),
        ("PRODUCER", described.producer.0.to_string()),
        ("EPOCH", described.epoch.to_string()),
        ("TIMEOUT-MS", described.timeout.as_millis().to_string()),
        ("STARTED-MS", started.to_string()),
        ("COORDINATOR", described.coordinator.to_string()),
    ];
    let mut text = String::new();
    for (name, value) in head {
        text += &format!("{name:12} {value}\n");
    }
    let rows = described.partitions.iter();
    let rows = rows.map(|p| vec![p.topic.clone(), p.partition.to_string()]);
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        text += &format!("\n{}", table(&["TOPIC", "PARTITION"], &rows));
    }
    text
}

fn value(id: &str, described: &DescribedTransaction) -> serde_json::Value {
    let partitions = described.partitions.iter();
    let partitions = partitions.map(|partition| {
        json!({
            "topic": partition.topic,
            "partition": partition.partition.0,
        })
    });
    json!({
        "id": id,
        "state": described.state,
        "producer_id": described.producer.0,
        "producer_epoch": described.epoch,
        "timeout_ms": described.timeout.as_millis(),
        "started_ms": described.started.map(|started| started.0),
        "coordinator": described.coordinator.0,
        "partitions": partitions.collect::<Vec<_>>(),
    })
}

impl Abort {
    async fn run(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        if self.hanging {
            let found = hanging(&client, &[]).await?;
            return abort_all(&client, &found).await;
        }
        if let (Some(topic), Some(partition), Some(start)) =
            (&self.topic, self.partition, self.start)
        {
            let found = open(&client, std::slice::from_ref(topic)).await?;
            let wanted = |(p, from, _): &Open| p.partition.0 == partition && from.0 == start;
            let found: Vec<Open> = found.into_iter().filter(wanted).collect();
            if found.is_empty() {
                return Err(Failure {
                    code: super::common::EXIT_REFUSED,
                    message: format!(
                        "no transaction begins at offset {start} of '{topic}' partition {partition}"
                    ),
                    hint: Some("See 'corelog txn list --hanging'.".to_owned()),
                });
            }
            return abort_all(&client, &found).await;
        }
        let mut done = 0;
        let mut failed = Vec::new();
        for id in &self.ids {
            // Taking over makes an id: only one that is there is to be ended.
            let aborted = match client.describe_transaction(id).await {
                Ok(_) => client.fence_transactional_id(id).await,
                Err(error) => Err(error),
            };
            match aborted {
                Ok(()) => done += 1,
                Err(error) => failed.push((id.clone(), error)),
            }
        }
        outcomes(done, &failed, "abort")
    }
}

async fn abort_all(client: &Client, found: &[Open]) -> Result<(), Failure> {
    let mut done = 0;
    let mut failed = Vec::new();
    for (partition, from, producer) in found {
        match client.abort_in_partition(partition, *producer).await {
            Ok(()) => {
                done += 1;
                print(&format!("aborted at offset {from} of {partition}\n"))?;
            }
            Err(error) => failed.push((partition.to_string(), error)),
        }
    }
    outcomes(done, &failed, "abort in")
}
