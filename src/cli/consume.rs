//! `corelog consume`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use corelog_base::Offset;
use corelog_client::{
    Assignment, Client, ConsumedRecord, Consumer, ConsumerOptions, Isolation, Start, TopicFilter,
    TopicPartition,
};
use serde_json::{Value, json};

use super::common::{Common, Failure, run};
use super::member::Member;
use super::start::{Place, parse_place};
use super::template::{HELP, Template, parse_template};

/// Read records, from the start unless told otherwise, until it is stopped.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Consume {
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Where to begin: start, end, N, +N after the start, -N before the end, @TIME. FROM:TO also
    /// says where to end, as in :end or @-1h:end.
    #[arg(short, long, value_name = "FROM[:TO]", default_value = "start", value_parser = range, allow_hyphen_values = true)]
    offset: Range,
    /// Read as a member of this group: what it has not read, and committed as it is read. --offset
    /// says where to begin where the group has read nothing: start or end.
    #[arg(short, long, value_name = "GROUP", conflicts_with_all = ["partitions", "exit_at_end"])]
    group: Option<String>,
    /// Stop after this many records.
    #[arg(short, long, value_name = "N")]
    num: Option<u64>,
    /// Only these partitions; all if none is named.
    #[arg(short, long, value_delimiter = ',', value_name = "N")]
    partitions: Vec<i32>,
    /// How a record is printed.
    #[arg(short, long = "output-format", value_name = "FORMAT", default_value = "%v\\n", value_parser = parse_template)]
    f: Template,
    /// Stop at what is the end now.
    #[arg(short, long)]
    exit_at_end: bool,
    /// Records of open and aborted transactions are not shown.
    #[arg(long)]
    read_committed: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    from: Place,
    to: Option<Place>,
}

fn range(text: &str) -> Result<Range, String> {
    // A time of day has colons too.
    let split = match text.rsplit_once(':') {
        Some((from, to)) if parse_place(to).is_ok() => Some((from, to)),
        _ => None,
    };
    let (from, to) = match split {
        Some((from, to)) if from.is_empty() || parse_place(from).is_ok() => (from, Some(to)),
        _ => (text, None),
    };
    Ok(Range {
        from: match from {
            "" => Place::Start,
            from => parse_place(from)?,
        },
        to: to.map(parse_place).transpose()?,
    })
}

impl Consume {
    pub(crate) fn run(self) -> ExitCode {
        run(self.consume())
    }

    async fn partitions(&self, client: &Client) -> Result<Vec<TopicPartition>, Failure> {
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let topics = client.topics(TopicFilter::Named(&names)).await?;
        let mut partitions = Vec::new();
        for (name, topic) in &topics {
            for index in topic.partitions.keys() {
                if self.partitions.is_empty() || self.partitions.contains(&index.0) {
                    partitions.push(TopicPartition::new(name, *index));
                }
            }
        }
        if partitions.is_empty() {
            return Err(Failure::usage(
                "none of these topics has such a partition; 'corelog topic describe' shows them",
            ));
        }
        Ok(partitions)
    }

    async fn consume(self) -> Result<(), Failure> {
        let client = self.common.client().await?;
        if self.group.is_some() {
            return self.consume_in_group(client).await;
        }
        let partitions = self.partitions(&client).await?;
        let from = self.offset.from.find(&client, &partitions).await?;
        let to = match (self.offset.to, self.exit_at_end) {
            (Some(to), _) => Some(to),
            (None, true) => Some(Place::End),
            (None, false) => None,
        };
        let mut ends: Option<BTreeMap<TopicPartition, Offset>> = None;
        if let Some(to) = to {
            let found = to.find(&client, &partitions).await?;
            let known = found.into_iter();
            ends = Some(known.filter_map(|(p, o)| Some((p, o?))).collect());
        }
        let mut assignments = Vec::new();
        for (partition, offset) in from {
            let Some(offset) = offset else { continue };
            if let Some(ends) = &mut ends
                && ends.get(&partition).is_none_or(|end| offset >= *end)
            {
                ends.remove(&partition);
                continue;
            }
            let start = Start::Offset(offset);
            assignments.push(Assignment { partition, start });
        }
        if assignments.is_empty() || self.num == Some(0) {
            return Ok(());
        }
        let consumer = Consumer::assign(&client, self.options(), assignments).await?;
        self.read(consumer, ends).await
    }

    fn options(&self) -> ConsumerOptions {
        ConsumerOptions {
            isolation: match self.read_committed {
                true => Isolation::Committed,
                false => Isolation::Uncommitted,
            },
            ..ConsumerOptions::default()
        }
    }

    async fn consume_in_group(&self, client: Client) -> Result<(), Failure> {
        let first = match (self.offset.from, self.offset.to) {
            (Place::Start, None) => Start::Earliest,
            (Place::End, None) => Start::Latest,
            _ => return Err(Failure::usage("a group begins at --offset start or end")),
        };
        let group = self.group.clone().unwrap_or_default();
        let topics = self.topics.clone();
        let mut member = Member::new(client, group, topics, self.options(), first);
        member.learn().await?;
        let mut left = self.num.unwrap_or(u64::MAX);
        while left > 0 {
            let records = tokio::select! {
                records = member.poll() => records?,
                stopped = tokio::signal::ctrl_c() => {
                    stopped?;
                    break;
                }
            };
            let mut out = Vec::new();
            for record in records
                .iter()
                .take(usize::try_from(left).unwrap_or(usize::MAX))
            {
                self.write(record, &mut out);
                member.done(record);
                left -= 1;
            }
            let mut stdout = io::stdout().lock();
            stdout.write_all(&out)?;
            stdout.flush()?;
        }
        member.leave().await
    }

    async fn read(
        &self,
        mut consumer: Consumer,
        mut ends: Option<BTreeMap<TopicPartition, Offset>>,
    ) -> Result<(), Failure> {
        let mut left = self.num.unwrap_or(u64::MAX);
        let mut out = Vec::new();
        loop {
            let records = consumer.poll().await?;
            for record in &records {
                let end = ends.as_ref().and_then(|e| e.get(&*record.partition));
                if ends.is_some() && end.is_none_or(|end| record.offset >= *end) {
                    continue;
                }
                self.write(record, &mut out);
                left -= 1;
                if left == 0 {
                    break;
                }
            }
            let mut stdout = io::stdout().lock();
            stdout.write_all(&out)?;
            stdout.flush()?;
            out.clear();
            if let Some(ends) = &mut ends {
                // Control records and gaps move the position without a record.
                let reached = |p: &TopicPartition, end: &Offset| {
                    consumer.position(p).is_some_and(|at| at >= *end)
                };
                let done: Vec<TopicPartition> = ends
                    .iter()
                    .filter(|(p, end)| reached(p, end))
                    .map(|(p, _)| p.clone())
                    .collect();
                for partition in done {
                    ends.remove(&partition);
                    consumer.unassign(&partition);
                }
            }
            if left == 0 || ends.as_ref().is_some_and(BTreeMap::is_empty) {
                return Ok(());
            }
        }
    }

    fn write(&self, record: &ConsumedRecord, out: &mut Vec<u8>) {
        if self.common.is_json() {
            out.extend_from_slice(json_of(record).to_string().as_bytes());
            out.push(b'\n');
        } else {
            self.f.write(record, out);
        }
    }
}

/// Bytes that are no UTF-8 are given in hex, under a name of their own.
fn put(object: &mut serde_json::Map<String, Value>, name: &str, bytes: Option<&Bytes>) {
    let Some(bytes) = bytes else {
        object.insert(name.to_owned(), Value::Null);
        return;
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), json!(text)),
        Err(_) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            object.insert(format!("{name}_hex"), json!(hex))
        }
    };
}

fn json_of(record: &ConsumedRecord) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("topic".to_owned(), json!(record.partition.topic));
    object.insert("partition".to_owned(), json!(record.partition.partition.0));
    object.insert("offset".to_owned(), json!(record.offset.0));
    object.insert("timestamp".to_owned(), json!(record.timestamp.0));
    put(&mut object, "key", record.key.as_ref());
    put(&mut object, "value", record.value.as_ref());
    if !record.headers.is_empty() {
        let headers = record.headers.iter().map(|(key, value)| {
            let mut header = serde_json::Map::new();
            put(&mut header, "key", Some(key));
            put(&mut header, "value", value.as_ref());
            Value::Object(header)
        });
        object.insert("headers".to_owned(), headers.collect());
    }
    Value::Object(object)
}
