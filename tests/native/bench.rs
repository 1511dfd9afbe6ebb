//! The benchmark's native driver.

use std::process::Command;

use serde_json::Value;

use crate::{BINARY, Broker};

/// What a run found, and what it printed.
fn measure(broker: &Broker, mode: &str, rate: &str, more: &[&str]) -> (Value, String) {
    let dir = tempfile::tempdir().unwrap();
    let ended = Command::new(BINARY)
        .args(["bench", "run", "--driver", "native"])
        .args(["--bootstrap", &broker.native, "--topic", "speed"])
        .args(["--rate", rate, "--mode", mode, "--partitions", "3"])
        .args(["--duration", "1s", "--warmup", "0s", "--size", "200"])
        .args(more)
        .arg("--out")
        .arg(dir.path())
        .output()
        .unwrap();
    let text = [ended.stdout, ended.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let result = std::fs::read_to_string(dir.path().join("result.json"));
    let result: Value = serde_json::from_str(&result.expect(&text)).unwrap();
    // What a machine under test is late for is no matter here.
    for reason in result["reasons"].as_array().unwrap() {
        let reason = reason.as_str().unwrap();
        let timing = reason.contains("late") || reason.contains("of the rate was reached");
        assert!(timing, "{reason}: {text}");
    }
    (result, text)
}

#[test]
fn every_mode_counts_what_was_written() {
    let broker = Broker::start();
    let load = ["--connections", "2", "--consumers", "2", "--batch", "2"];
    let (both, text) = measure(&broker, "both", "2000", &load);
    assert_eq!(both["publish_latency_us"]["samples"], 1000, "{text}");
    assert_eq!(both["end_to_end_latency_us"]["samples"], 1000, "{text}");
    assert_eq!(both["counted"]["batches_missing"], 0, "{text}");
    assert_eq!(both["settings"]["target"]["driver"], "native");
    assert_eq!(both["durability"]["topic durability"], "disk", "{text}");
    assert_eq!(both["durability"]["replicas"], "1", "{text}");
    let packed = ["--compression", "zstd", "--key-bytes", "8", "--acks", "1"];
    let (caught, text) = measure(&broker, "catch-up", "400", &packed);
    assert_eq!(caught["counted"]["records_read"], 2000, "{text}");
    assert_eq!(caught["publish_latency_us"]["samples"], 400, "{text}");
    let (read, text) = measure(&broker, "consume", "max", &[]);
    assert_eq!(read["counted"]["records_read"], 2400, "{text}");
    assert_eq!(read["publish_latency_us"], Value::Null);
    let tail = std::thread::scope(|scope| {
        let tail = scope.spawn(|| measure(&broker, "tail", "max", &[]));
        measure(&broker, "produce", "1000", &[]);
        tail.join().unwrap().0
    });
    let read = tail["end_to_end_latency_us"]["samples"].as_u64().unwrap();
    assert!((100..=1200).contains(&read), "{read}");
}
