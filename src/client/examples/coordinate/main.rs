//! What changes of groups and commits of offsets cost on a broker that is alone.
//!
//! `cargo run --release -p corelog-client --example coordinate -- ADDRESS WHAT [COUNT [BEAT_MS]]`
//!
//! WHAT is `classic`, `consumer` or `commits`; COUNT the members, or the connections; BEAT_MS how
//! often each member heartbeats. It works against any Kafka broker, but asks the one at ADDRESS for
//! everything: a cluster of several would send it elsewhere. All members and connections are
//! simulated on one thread, each with a connection of its own, so client and broker share the
//! machine. Groups get fresh names and expire by themselves; the topics `coordinate-N` stay.

mod classic;
mod commits;
mod consumer;

use std::error::Error;
use std::time::{Duration, SystemTime};

use corelog_client::{Client, Connection, Kind, NewTopic, Options, TopicFilter};
use corelog_wire::kafka::ErrorCode;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long a broker may take for what it answers at last: a rebalance, a first leader.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the command line says.
struct Plan {
    address: String,
    count: Option<usize>,
    beat: Option<Duration>,
    /// A name that no earlier run used.
    group: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("the address is missing")?;
    let what = arguments.next().ok_or("what to measure is missing")?;
    let count = arguments.next().map(|text| text.parse()).transpose()?;
    let beat = arguments.next().map(|text| text.parse()).transpose()?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let plan = Plan {
        address,
        count,
        beat: beat.map(Duration::from_millis),
        group: format!("coordinate-{what}-{}", since.as_millis()),
    };
    match what.as_str() {
        "classic" => classic::run(plan).await,
        "consumer" => consumer::run(plan).await,
        "commits" => commits::run(plan).await,
        _ => Err("it measures `classic`, `consumer` or `commits`".into()),
    }
}

impl Plan {
    async fn connect(&self) -> Outcome<Connection> {
        Ok(Connection::open(&self.address, &Self::options()).await?)
    }

    fn options() -> Options {
        Options {
            client_id: "coordinate".into(),
            ..Options::default()
        }
    }

    /// Makes a topic that has so many partitions in its name, and waits for its group coordinator.
    async fn prepare(&self, partitions: usize) -> Outcome<String> {
        let client = Client::connect(&[&self.address], Self::options()).await?;
        let name = format!("coordinate-{partitions}");
        let topic = NewTopic {
            name: name.clone(),
            partitions: Some(i32::try_from(partitions)?),
            replicas: Some(1),
            configs: Vec::new(),
        };
        for (_, made) in client.create_topics(&[topic], false).await? {
            match made {
                Err(error) if error.kind != Kind::Broker(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        client.topics(TopicFilter::Named(&[&name])).await?;
        client.group_coordinator(&self.group).await?;
        Ok(name)
    }
}

fn expect(code: ErrorCode, what: &str) -> Outcome<()> {
    match code {
        ErrorCode::NONE => Ok(()),
        _ => Err(format!("{what}: {code:?}").into()),
    }
}

/// Times of one kind, printed as a line of a table.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn print(&mut self, what: &str) {
        let times = &mut self.0;
        times.sort_unstable();
        let at = |part: f64| {
            let index = (times.len().saturating_sub(1) as f64 * part) as usize;
            let time = times.get(index).copied().unwrap_or_default();
            time.as_secs_f64() * 1e3
        };
        println!(
            "{what:<50} {:>8} {:>9.2} {:>9.2} {:>9.2}",
            times.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }

    fn head() {
        println!(
            "{:<50} {:>8} {:>9} {:>9} {:>9}",
            "what", "count", "p50 ms", "p99 ms", "max ms"
        );
    }
}
