//! `corelog produce`.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::process::ExitCode;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use corelog_base::{PartitionIndex, TimestampMs};
use corelog_client::{Acks, Delivered, Delivery, NewRecord, Producer, ProducerOptions};
use corelog_record::Codec;
use serde_json::json;

use super::common::{Common, Failure, run};
use super::template::{Field, HELP, Template, parse_template};

/// Deliveries that are waited for at most before more input is read.
const IN_FLIGHT_MAX: usize = 10_000;

/// Write records from standard input, one a line, and print where each went.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Produce {
    /// Where records go whose topic the format does not give.
    topic: Option<String>,
    /// The key of every record; the format may give each its own.
    #[arg(short, long)]
    key: Option<String>,
    /// A header of every record, as KEY:VALUE or KEY=VALUE; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "KEY:VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The partition; by the key, or by turns, if not given.
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// How records stand in the input.
    #[arg(short, long = "input-format", value_name = "FORMAT", default_value = "%v\\n", value_parser = parse_template)]
    f: Template,
    #[arg(short = 'z', long, value_enum, default_value = "none")]
    compression: Compression,
    #[arg(long, value_enum, default_value = "all")]
    acks: AcksArg,
    /// Records with an empty value become tombstones: their value is null.
    #[arg(short = 'Z', long)]
    tombstone: bool,
    /// Print nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Clone, Copy, ValueEnum)]
enum AcksArg {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    #[value(name = "all", alias = "-1")]
    All,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once([':', '=']).ok_or("give it as KEY:VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Produce {
    pub(crate) fn run(self) -> ExitCode {
        run(self.produce())
    }

    fn options(&self) -> ProducerOptions {
        let acks = match self.acks {
            AcksArg::None => Acks::None,
            AcksArg::Leader => Acks::Leader,
            AcksArg::All => Acks::All,
        };
        ProducerOptions {
            acks,
            codec: match self.compression {
                Compression::None => Codec::None,
                Compression::Gzip => Codec::Gzip,
                Compression::Snappy => Codec::Snappy,
                Compression::Lz4 => Codec::Lz4,
                Compression::Zstd => Codec::Zstd,
            },
            idempotent: acks == Acks::All,
            create_topics: true,
            ..ProducerOptions::default()
        }
    }

    async fn produce(self) -> Result<(), Failure> {
        let reader = self.f.reader().map_err(Failure::usage)?;
        let client = self.common.client().await?;
        let producer = Producer::new(&client, self.options())?;
        let mut input = BufReader::with_capacity(1 << 20, io::stdin());
        let mut flying: VecDeque<Delivery> = VecDeque::new();
        let mut failed = None;
        let mut line = 0u64;
        while failed.is_none() {
            line += 1;
            let fields = reader
                .next(&mut input)
                .map_err(|e| Failure::usage(format!("record {line} of the input: {e}")));
            let record = match fields {
                Ok(None) => break,
                Ok(Some(fields)) => self.record(fields, line),
                Err(failure) => Err(failure),
            };
            // What was read before is delivered all the same.
            match record {
                Ok(record) => match producer.send(record).await {
                    Ok(delivery) => flying.push_back(delivery),
                    Err(error) => failed = Some(Failure::of(&error)),
                },
                Err(failure) => failed = Some(failure),
            }
            while flying.len() > IN_FLIGHT_MAX
                && let Some(delivery) = flying.pop_front()
            {
                self.delivered(delivery).await?;
            }
        }
        for delivery in flying {
            self.delivered(delivery).await?;
        }
        failed.map_or(Ok(()), Err)
    }

    fn record(&self, fields: Vec<(Field, Bytes)>, line: u64) -> Result<NewRecord, Failure> {
        let number = |bytes: &Bytes, what: &str| {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            let parsed = text.trim().parse::<i64>();
            parsed.map_err(|_| Failure::usage(format!("record {line}: '{text}' is no {what}")))
        };
        let mut record = NewRecord {
            topic: self.topic.clone().unwrap_or_default(),
            partition: self.partition.map(PartitionIndex),
            key: self.key.clone().map(Bytes::from),
            headers: self
                .headers
                .iter()
                .map(|(k, v)| (Bytes::from(k.clone()), Some(Bytes::from(v.clone()))))
                .collect(),
            value: Some(Bytes::new()),
            timestamp: None,
        };
        for (field, bytes) in fields {
            match field {
                Field::Topic => record.topic = String::from_utf8_lossy(&bytes).into_owned(),
                Field::Key => record.key = Some(bytes),
                Field::Value => record.value = Some(bytes),
                Field::Timestamp => {
                    record.timestamp = Some(TimestampMs(number(&bytes, "timestamp")?));
                }
                Field::Partition => {
                    let index = i32::try_from(number(&bytes, "partition")?);
                    let index = index.map_err(|_| Failure::usage("a partition is too large"))?;
                    record.partition = Some(PartitionIndex(index));
                }
                _ => record.headers.extend(headers(&bytes)),
            }
        }
        if self.tombstone && record.value.as_ref().is_some_and(Bytes::is_empty) {
            record.value = None;
        }
        if record.topic.is_empty() {
            return Err(Failure::usage(
                "name a topic: corelog produce TOPIC, or %t in the format",
            ));
        }
        Ok(record)
    }

    async fn delivered(&self, delivery: Delivery) -> Result<(), Failure> {
        let delivered = delivery.await?;
        if self.quiet {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        Ok(writeln!(out, "{}", self.line(&delivered))?)
    }

    fn line(&self, delivered: &Delivered) -> String {
        let partition = delivered.partition.partition.0;
        let offset = delivered.offset.map(|o| o.0);
        let timestamp = delivered.timestamp.0;
        if self.common.is_json() {
            let topic = &delivered.partition.topic;
            let value = json!({
                "topic": topic,
                "partition": partition,
                "offset": offset,
                "timestamp": timestamp,
            });
            return value.to_string();
        }
        let offset = offset.map_or("unknown".to_owned(), |o| o.to_string());
        format!("Produced to partition {partition} at offset {offset} with timestamp {timestamp}.")
    }
}

/// k=v,k=v.
fn headers(bytes: &Bytes) -> Vec<(Bytes, Option<Bytes>)> {
    let pairs = bytes.split(|b| *b == b',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| match pair.iter().position(|b| *b == b'=') {
            Some(at) => {
                let value = bytes.slice_ref(&pair[at + 1..]);
                (bytes.slice_ref(&pair[..at]), Some(value))
            }
            None => (bytes.slice_ref(pair), None),
        })
        .collect()
}
