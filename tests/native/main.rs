//! The native client against a broker process.

mod bench;
mod bytes;
mod kill;
#[path = "../../src/native/examples/round_trip/scenario.rs"]
mod round_trip;
mod tail;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use corelog_native::{Builder, Client, NewTopic};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_corelog");
const TOPIC: &str = "events";

struct Broker {
    process: Child,
    kafka: String,
    native: String,
    dir: TempDir,
}

/// Its neighbour is free too: the native door has one a core.
fn free_address() -> String {
    format!("127.0.0.1:{}", corelog_faults::free_ports())
}

impl Broker {
    fn start() -> Self {
        let (kafka, native) = (free_address(), free_address());
        let dir = tempfile::tempdir().unwrap();
        Self {
            process: serve(&dir, &kafka, &native, "2"),
            kafka,
            native,
            dir,
        }
    }

    /// As SIGKILL does it.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn restart(&mut self, cores: &str) {
        self.process = serve(&self.dir, &self.kafka, &self.native, cores);
    }

    fn builder(&self) -> Builder {
        Client::builder().bootstrap(&self.native)
    }

    /// A client, and the topic with so many partitions.
    async fn client(&self, partitions: i32) -> Client {
        let client = self.builder().connect().await.unwrap();
        let topic = NewTopic::new().partitions(partitions);
        client.create_topic(TOPIC, topic).await.unwrap();
        client
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It has ended already if the test has killed it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(dir: &TempDir, kafka: &str, native: &str, cores: &str) -> Child {
    let mut process = Command::new(BINARY)
        .args(["serve", "--listen-kafka", kafka, "--listen-native", native])
        .args(["--listen-http", &free_address(), "--cores", cores])
        .arg("--data")
        .arg(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|l| l.starts_with("Try:"));
    assert!(ready, "the broker starts");
    process
}

#[tokio::test]
async fn the_example_does_what_it_says() {
    let broker = Broker::start();
    let said = round_trip::run(&broker.native).await.unwrap();
    assert_eq!(
        said,
        [
            "1 partition",
            "last offset 19",
            "hour 0",
            "hour 7",
            "next offset 8",
            "now",
            "end 21",
            "topic 'round-trip': UNKNOWN_TOPIC_OR_PARTITION (3)"
        ]
    );
}
