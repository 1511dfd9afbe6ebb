//! Prints records, and goes on where it stopped: `consume TOPIC FILE [HOST:PORT]`.
//!
//! How far it has come stands in FILE. It is written after the records were printed: killed in
//! between, it prints some of them again, and leaves none out.

use std::collections::BTreeMap;
use std::path::Path;

use corelog_native::{Client, Offset, OutOfRange, PartitionIndex, Position};

type Positions = BTreeMap<PartitionIndex, Offset>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: consume TOPIC FILE [HOST:PORT]";
    let topic = arguments.next().ok_or(usage)?;
    let file = arguments.next().ok_or(usage)?;
    let address = arguments.next().unwrap_or("127.0.0.1:9192".into());
    let client = Client::builder().bootstrap(address).connect().await?;
    let consumer = client
        .consumer(topic)
        .start(Position::Earliest)
        .positions(load(Path::new(&file)))
        .out_of_range(OutOfRange::Earliest);
    let mut consumer = consumer.build().await?;
    loop {
        let batch = match consumer.next_batch().await {
            Ok(batch) => batch,
            // The consumer tries again by itself; it says so when that has taken long.
            Err(error) if error.is_retriable() => {
                eprintln!("still trying: {error}");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for record in batch {
            let value = record.value.as_deref().unwrap_or_default();
            let value = String::from_utf8_lossy(value);
            println!("{}/{} {value}", record.partition, record.offset);
        }
        store(Path::new(&file), &consumer.positions())?;
    }
}

fn load(file: &Path) -> Positions {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let (partition, offset) = line.split_once(' ')?;
        let partition = PartitionIndex(partition.parse().ok()?);
        Some((partition, Offset(offset.parse().ok()?)))
    });
    lines.collect()
}

/// Whole or not at all, whenever it is killed.
fn store(file: &Path, positions: &Positions) -> std::io::Result<()> {
    let lines = positions
        .iter()
        .map(|(p, offset)| format!("{p} {offset}\n"));
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, lines.collect::<String>())?;
    std::fs::rename(fresh, file)
}
