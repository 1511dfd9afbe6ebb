//! Topics, writing, reading, seeking. A test runs it against a broker.

use std::collections::BTreeMap;

use corelog_native::{
    Client, Codec, Error, NewTopic, PartitionIndex, Position, Record, TimestampMs,
};

const TOPIC: &str = "round-trip";
const ZERO: PartitionIndex = PartitionIndex(0);

/// What was done, a line each.
pub(crate) async fn run(address: &str) -> Result<Vec<String>, Error> {
    let mut said = Vec::new();
    let client = Client::builder().bootstrap(address).connect().await?;

    let topic = NewTopic::new()
        .partitions(1)
        .config("retention.ms", "3600000");
    client.create_topic(TOPIC, topic).await?;
    let topic = client.topic(TOPIC).await?;
    said.push(format!("{} partition", topic.partitions.len()));

    // Twenty records, an hour apart, of which no one is waited for; then for all.
    let producer = client.producer(TOPIC).compression(Codec::Zstd);
    let producer = producer.build().await?;
    let mut acks = Vec::new();
    for hour in 0..20 {
        let record = Record::new(format!("hour {hour}"))
            .key("clock")
            .header("unit", "h")
            .timestamp(TimestampMs(hour * 3_600_000));
        acks.push(producer.send(record).await?);
    }
    let mut last = None;
    for ack in acks {
        last = Some(ack.await?.offset);
    }
    said.push(format!("last offset {}", last.unwrap_or_default()));

    let consumer = client.consumer(TOPIC).start(Position::Earliest);
    let mut consumer = consumer.build().await?;
    let first = consumer.next().await?;
    said.push(text(first.value.as_deref()));
    consumer
        .seek(ZERO, Position::Time(TimestampMs(7 * 3_600_000 - 1)))
        .await?;
    said.push(text(consumer.next().await?.value.as_deref()));
    let position = consumer.position(ZERO).unwrap_or_default();
    said.push(format!("next offset {position}"));

    // What comes now reaches a consumer that waits.
    consumer.seek(ZERO, Position::Latest).await?;
    let ack = producer.send(Record::new("now")).await?;
    said.push(text(consumer.next().await?.value.as_deref()));
    ack.await?;

    let wanted = BTreeMap::from([(ZERO, Position::Latest)]);
    let ends = client.offsets(TOPIC, &wanted).await?;
    let end = ends.get(&ZERO).copied().unwrap_or_default();
    said.push(format!("end {end}"));
    producer.close().await;
    client.delete_topic(TOPIC).await?;
    let gone = client.topic(TOPIC).await.err();
    said.push(gone.map_or("still there".into(), |error| error.to_string()));
    Ok(said)
}

fn text(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}
