//! `corelog bench` against a broker of its own.

use std::path::Path;

use serde_json::Value;

use crate::Broker;

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What a machine under test is late for is no matter here: the run may say that it is not valid,
/// but for no other reason.
fn only_late(result: &Value) {
    for reason in result["reasons"].as_array().unwrap() {
        let reason = reason.as_str().unwrap();
        let timing = reason.contains("late") || reason.contains("of the rate was reached");
        assert!(timing, "{reason}");
    }
}

#[test]
fn a_run_writes_and_reads_every_batch() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let load = [
        "bench",
        "run",
        "--driver",
        "kafka",
        "--topic",
        "speed",
        "--partitions",
        "3",
        "--size",
        "200",
        "--acks",
        "all",
        "--duration",
        "2s",
        "--warmup",
        "500ms",
        "--rate",
        "1000",
        "--connections",
        "2",
        "--consumers",
        "2",
        "--batch",
        "2",
        "--compression",
        "lz4",
    ];
    let (code, text, error) = broker.run(&[&load[..], &["--out", out]].concat(), "");
    let result = json(&dir.path().join("result.json"));
    only_late(&result);
    assert_eq!(code, i32::from(result["valid"] == false), "{text}{error}");
    assert!(
        text.contains("end to end") && error.contains("written"),
        "{text}{error}"
    );
    assert_eq!(result["publish_latency_us"]["samples"], 1000);
    assert_eq!(result["end_to_end_latency_us"]["samples"], 1000);
    assert_eq!(result["counted"]["batches_missing"], 0);
    assert_eq!(result["durability"]["topic durability"], "disk");
    for file in ["publish.hlog", "end_to_end.hgrm", "env.json", "report.html"] {
        assert!(dir.path().join(file).exists(), "{file}");
    }

    // The topic now holds 2,500 records or a little less, which are read once.
    let consume = [
        "bench",
        "run",
        "--topic",
        "speed",
        "--partitions",
        "3",
        "--mode",
        "consume",
    ];
    let rest = ["--rate", "max", "--out", out];
    let (code, _, error) = broker.run(&[&consume[..], &rest].concat(), "");
    assert_eq!(code, 0, "{error}");
    let result = json(&dir.path().join("result.json"));
    let read = result["counted"]["records_read"].as_u64().unwrap();
    assert!((2400..=2500).contains(&read), "{read}");
    assert_eq!(result["publish_latency_us"], Value::Null);
}

#[test]
fn what_cannot_be_run_says_why() {
    let broker = Broker::start();
    let run = |arguments: &[&str]| {
        let begin = ["bench", "run", "--topic", "wrong", "--duration", "1s"];
        let dir = tempfile::tempdir().unwrap();
        let out = ["--out", dir.path().to_str().unwrap()];
        let (code, _, error) = broker.run(&[&begin[..], arguments, &out].concat(), "");
        (code, error)
    };
    let (code, error) = run(&["--rate", "10", "--size", "8"]);
    assert_eq!(code, 2);
    assert!(error.contains("16 B"), "{error}");
    let (code, error) = run(&["--rate", "0"]);
    assert_eq!(code, 2);
    assert!(error.contains("a rate"), "{error}");
    let (code, _) = run(&["--rate", "10"]);
    assert!(code <= 1);
    let (code, error) = run(&["--rate", "10", "--partitions", "5"]);
    assert_eq!(code, 2);
    assert!(error.contains("has 1 partitions"), "{error}");
}

/// A sweep leaves runs, each of which `compare` reads; the host is described without a broker.
#[test]
fn a_sweep_leaves_what_compare_reads() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let sweep = [
        "bench", "sweep", "--topic", "swept", "--rates", "100,300", "--mode", "produce",
    ];
    let times = ["--duration", "6s", "--warmup", "500ms", "--out", out];
    let (code, text, error) = broker.run(&[&sweep[..], &times].concat(), "");
    let swept = json(&dir.path().join("sweep.json"));
    let highest = &swept["highest_valid_rate_per_s"];
    assert_eq!(code, i32::from(highest.is_null()), "{text}{error}");
    assert!(text.contains("P99 US"), "{text}");
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("Latency by load") && !page.contains("src="));

    let run = |rate: &str| format!("{out}/rate-{rate}");
    let compare = ["bench", "compare", &run("100"), &run("300")];
    let rest = ["--format", "json", "--out", out];
    let (code, text, error) = broker.run(&[&compare[..], &rest].concat(), "");
    let compared: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, i32::from(compared["valid"] == false), "{error}");
    assert_eq!(compared["lines"][0]["what"], "publish p50");
    let warnings = compared["warnings"].to_string();
    assert!(warnings.contains("load/rate differs"), "{warnings}");
    assert_eq!(json(&dir.path().join("compare.json")), compared);

    let (code, text, error) = broker.run(&["bench", "env", "--dir", out], "");
    assert_eq!(code, 0, "{error}");
    let host: Value = serde_json::from_str(&text).unwrap();
    assert!(host["kernel"]["version"].is_string(), "{host}");
}

/// What the topic held before is read while more is written, and a tail reads what another writes.
#[test]
fn modes_read_what_they_say() {
    let broker = Broker::start();
    let measure = |mode: &str, rate: &str, more: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let load = ["bench", "run", "--topic", "modes", "--rate", rate];
        let times = ["--duration", "1s", "--warmup", "0s", "--mode", mode];
        let out = ["--out", dir.path().to_str().unwrap()];
        let (_, text, error) = broker.run(&[&load[..], &times, more, &out].concat(), "");
        let result = json(&dir.path().join("result.json"));
        only_late(&result);
        (result, text + &error)
    };
    let (first, _) = measure("produce", "1000", &["--key-bytes", "8", "--pin", "0"]);
    assert_eq!(first["end_to_end_latency_us"], Value::Null);
    assert_eq!(first["publish_latency_us"]["samples"], 1000);
    let (caught, text) = measure("catch-up", "400", &["--acks", "1"]);
    assert_eq!(caught["publish_latency_us"]["samples"], 400, "{text}");
    assert_eq!(caught["counted"]["records_read"], 1000, "{text}");
    let tail = std::thread::scope(|scope| {
        let tail = scope.spawn(|| measure("tail", "max", &[]));
        measure("produce", "1000", &[]);
        tail.join().unwrap().0
    });
    assert_eq!(tail["publish_latency_us"], Value::Null);
    let read = tail["end_to_end_latency_us"]["samples"].as_u64().unwrap();
    assert!((100..=1200).contains(&read), "{read}");
}
