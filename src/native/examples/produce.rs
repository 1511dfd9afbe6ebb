//! Writes the lines of standard input as records: `produce TOPIC [HOST:PORT]`.
//!
//! ```console
//! $ printf 'ann:book\nbob:lamp\n' | cargo run -p corelog-native --example produce -- orders
//! 1/0
//! 0/0
//! ```

use std::collections::VecDeque;

use corelog_native::{Ack, Client, Codec, Error, Record};

/// Acknowledgements that are not looked at yet. The producer's own buffer is bounded in bytes.
const PENDING_MAX: usize = 10_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let topic = arguments.next().ok_or("usage: produce TOPIC [HOST:PORT]")?;
    let address = arguments.next().unwrap_or("127.0.0.1:9192".into());
    let client = Client::builder().bootstrap(address).connect().await?;
    let producer = client
        .producer(topic)
        .compression(Codec::Lz4)
        .create_topic();
    let producer = producer.build().await?;

    let mut pending = VecDeque::new();
    for line in std::io::stdin().lines() {
        let line = line?;
        // A key chooses the partition, so that all of one key's records keep their order.
        let record = match line.split_once(':') {
            Some((key, value)) => Record::new(value.to_owned()).key(key.to_owned()),
            None => Record::new(line),
        };
        // Waits only while the buffer is full. The record is sent whether or not the
        // acknowledgement is looked at.
        pending.push_back(producer.send(record).await?);
        if pending.len() >= PENDING_MAX {
            settle(pending.pop_front()).await?;
        }
    }
    while !pending.is_empty() {
        settle(pending.pop_front()).await?;
    }
    producer.close().await;
    Ok(())
}

/// The producer has tried again by itself; what comes here has failed for good, or for long.
async fn settle(ack: Option<Ack>) -> Result<(), Error> {
    let Some(ack) = ack else { return Ok(()) };
    match ack.await {
        Ok(written) => println!("{}/{}", written.partition, written.offset),
        Err(error) if error.is_retriable() => eprintln!("not written in time: {error}"),
        Err(error) => return Err(error),
    }
    Ok(())
}
