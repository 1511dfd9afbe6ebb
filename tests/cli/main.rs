//! The command line against a broker of its own: what it prints, and how it exits.

mod bench;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_corelog");

struct Broker {
    process: Child,
    address: String,
    dir: TempDir,
}

/// Exit code, what was printed, what was complained about.
type Ended = (i32, String, String);

fn free_address() -> String {
    format!("127.0.0.1:{}", corelog_faults::free_ports())
}

/// Beside the build: what a system has for temporary files may be in memory.
fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

impl Broker {
    fn start() -> Self {
        let dir = scratch();
        let address = free_address();
        let process = serve(dir.path(), &address);
        Self {
            process,
            address,
            dir,
        }
    }

    fn stop(&mut self) -> bool {
        let id = self.process.id().to_string();
        let asked = Command::new("kill").arg(&id).status().unwrap();
        assert!(asked.success());
        self.process.wait().unwrap().success()
    }

    fn run(&self, arguments: &[&str], input: &str) -> Ended {
        run(&self.address, arguments, input)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let all = [arguments, &["--format", "json"]].concat();
        let (code, out, error) = self.run(&all, "");
        assert_eq!(code, 0, "{arguments:?}: {error}");
        serde_json::from_str(&out).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It has ended already if the test has stopped it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a broker and waits until it says what to try.
fn serve(dir: &Path, address: &str) -> Child {
    let mut process = Command::new(BINARY)
        .args(["serve", "--listen-kafka", address, "--cores", "1"])
        .args(["--listen-native", "off"])
        .args(["--listen-http", &free_address()])
        .arg("--data")
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|l| l.starts_with("Try:"));
    assert!(ready, "the broker starts");
    process
}

fn run(address: &str, arguments: &[&str], input: &str) -> Ended {
    let mut process = Command::new(BINARY)
        .args(arguments)
        .env("CORELOG_BOOTSTRAP", address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    // Beside the output: a command that says something of each line stops reading when nobody listens.
    let ended = std::thread::scope(|scope| {
        // A command that fails at once reads nothing.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        process.wait_with_output().unwrap()
    });
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        ended.status.code().unwrap(),
        text(ended.stdout),
        text(ended.stderr),
    )
}

/// As README says it: nothing but `serve`, twice.
#[test]
fn a_data_directory_is_made_where_one_stands() {
    let dir = scratch();
    for _ in 0..2 {
        let mut process = Command::new(BINARY)
            .args(["serve", "--listen-kafka", &free_address()])
            .args(["--listen-native", "off"])
            .args(["--listen-http", &free_address()])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).any(|l| l.starts_with("Try:"));
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(ready, "the broker starts");
        assert!(dir.path().join("corelog-data/node.json").exists());
    }
}

#[test]
fn records_go_in_and_come_out() {
    let mut broker = Broker::start();
    let made = broker.run(&["topic", "create", "orders", "-p", "3"], "");
    assert_eq!((made.0, made.1.as_str()), (0, "Created topic orders\n"));
    let produce = ["produce", "orders", "-f", "%k:%v\\n", "-H", "from:test"];
    let (code, out, _) = broker.run(
        &[&produce[..], &["-p", "1", "-z", "zstd"]].concat(),
        "a:1\nb:2\n",
    );
    assert_eq!(code, 0);
    assert_eq!(out.lines().count(), 2);
    assert!(out.starts_with("Produced to partition 1 at offset 0 "));
    let tombstone = broker.run(&["produce", "orders", "-k", "a", "-p", "1", "-Z"], "\n");
    assert_eq!(tombstone.0, 0);
    let consume = ["consume", "orders", "-e", "-f", "%t/%p/%o %k=%v (%V) %h\\n"];
    let all = "orders/1/0 a=1 (1) from=test\norders/1/1 b=2 (1) from=test\norders/1/2 a= (-1) \n";
    assert_eq!(broker.run(&consume, "").1, all);
    let places = [
        ("start", 3),
        ("1", 2),
        ("+2", 1),
        ("-1", 1),
        ("end", 0),
        ("@-1h", 3),
        ("1:2", 1),
    ];
    for (place, count) in places {
        let read = broker.run(&["consume", "orders", "-e", "-o", place, "-p", "1"], "");
        assert_eq!((read.0, read.1.lines().count()), (0, count), "{place}");
    }
    let record = broker.json(&["consume", "orders", "-n", "1", "-o", "1", "-p", "1"]);
    assert_eq!(record["key"], "b");
    assert_eq!(record["headers"][0]["value"], "test");
    assert!(broker.stop(), "a broker that is asked to stop exits with 0");
    let again = serve(broker.dir.path(), &broker.address);
    broker.process = again;
    assert_eq!(broker.run(&consume, "").1, all);
}

#[test]
fn topics_are_listed_changed_trimmed_and_deleted() {
    let broker = Broker::start();
    let create = [
        "topic",
        "create",
        "one",
        "two",
        "-p",
        "2",
        "-c",
        "retention.ms=3600000",
    ];
    assert_eq!(broker.run(&create, "").0, 0);
    let list = broker.json(&["topic", "list"]);
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|t| t["name"].as_str())
        .collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(
        broker
            .run(&["topic", "alter", "one", "--set", "retention.ms=7"], "")
            .0,
        0
    );
    assert_eq!(
        broker
            .run(&["topic", "add-partitions", "one", "-n", "1"], "")
            .0,
        0
    );
    assert_eq!(broker.run(&["produce", "one", "-p", "0"], "x\ny\nz\n").0, 0);
    assert_eq!(
        broker
            .run(&["topic", "trim", "one", "-o", "2", "-p", "0"], "")
            .0,
        0
    );
    let described = broker.json(&["topic", "describe", "one"]);
    let topic = &described[0];
    assert_eq!(topic["partitions"].as_array().unwrap().len(), 3);
    assert_eq!(topic["partitions"][0]["log_start_offset"], 2);
    assert_eq!(topic["partitions"][0]["high_watermark"], 3);
    let configs = topic["configs"].as_array().unwrap();
    let retention = configs.iter().find(|c| c["key"] == "retention.ms").unwrap();
    assert_eq!(retention["value"], "7");
    assert_eq!(broker.run(&["topic", "delete", "one", "two"], "").0, 0);
    assert_eq!(broker.json(&["topic", "list"]), serde_json::json!([]));
}

#[test]
fn a_group_reads_goes_on_is_moved_and_deleted() {
    let broker = Broker::start();
    let (code, _, error) = broker.run(&["topic", "create", "t"], "");
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = broker.run(&["produce", "t"], "a\nb\nc\nd\n");
    assert_eq!(code, 0, "{error}");
    let read = |count: &str| {
        let (code, out, error) = broker.run(&["consume", "t", "-g", "g", "-n", count], "");
        assert_eq!(code, 0, "{error}");
        out
    };
    assert_eq!(read("1"), "a\n");
    assert_eq!(read("2"), "b\nc\n");
    let groups = broker.json(&["group", "list"]);
    let found = (&groups[0]["group"], &groups[0]["type"], &groups[0]["state"]);
    assert_eq!(found, (&"g".into(), &"consumer".into(), &"Empty".into()));
    let described = broker.json(&["group", "describe", "g"]);
    assert_eq!(described[0]["total_lag"], 1);
    assert_eq!(described[0]["partitions"][0]["committed"], 3);

    let (code, out, error) = broker.run(&["group", "seek", "g", "--to", "+1"], "");
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.contains("BEFORE") && out.lines().count() == 2, "{out}");
    assert_eq!(read("1"), "b\n");
    let (code, _, _) = broker.run(&["group", "offset-delete", "g", "-t", "t"], "");
    assert_eq!(code, 0);
    assert_eq!(read("1"), "a\n");
    let (code, _, _) = broker.run(&["group", "delete", "g"], "");
    assert_eq!(code, 0);
    let (code, _, error) = broker.run(&["group", "delete", "g"], "");
    assert_eq!(code, 1);
    assert!(error.contains("GROUP_ID_NOT_FOUND"), "{error}");
    let groups = broker.json(&["group", "list"]);
    assert_eq!(groups.as_array().map(Vec::len), Some(0));
}

#[test]
fn errors_have_a_code_and_a_next_step() {
    let broker = Broker::start();
    assert_eq!(broker.run(&["topic", "create", "there"], "").0, 0);
    let check = |arguments: &[&str], input: &str, code: i32, says: &str| {
        let (found, _, error) = broker.run(arguments, input);
        assert_eq!(found, code, "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    };
    check(
        &["topic", "create", "there"],
        "",
        1,
        "corelog topic describe",
    );
    check(&["topic", "create", "there", "--if-not-exists"], "", 0, "");
    check(
        &["topic", "delete", "there", "nowhere"],
        "",
        4,
        "corelog topic list",
    );
    check(&["consume", "nowhere", "-e"], "", 1, "corelog topic create");
    check(
        &["txn", "describe", "none"],
        "",
        1,
        "TRANSACTIONAL_ID_NOT_FOUND",
    );
    check(&["txn", "list", "--states", "Odd"], "", 2, "Odd");
    check(&["txn", "abort"], "", 2, "<ID>");
    check(
        &["consume", "nowhere", "-o", "soon"],
        "",
        2,
        "give it as start",
    );
    check(
        &["produce", "there", "-f", "%k%v"],
        "",
        2,
        "between two fields",
    );
    check(&["produce"], "x\n", 2, "name a topic");
    check(&["topic", "alter", "there"], "", 2, "--set KEY=VALUE");
    let asked = Instant::now();
    let alter = ["topic", "alter", "nowhere", "--set", "retention.ms=1"];
    check(&alter, "", 1, "corelog topic list");
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "nothing is tried again"
    );
    let nobody = free_address();
    let (code, _, error) = run(&nobody, &["cluster", "info"], "");
    assert_eq!(code, 3);
    assert!(error.contains("corelog serve"), "{error}");
    let info = broker.json(&["cluster", "info"]);
    assert_eq!(info["controller"], info["brokers"][0]["id"]);
}

#[test]
fn verify_names_damage_in_a_stopped_node() {
    let mut broker = Broker::start();
    let small = ["topic", "create", "logs", "-c", "segment.bytes=1048576"];
    assert_eq!(broker.run(&small, "").0, 0);
    let lines: String = (0..20_000)
        .map(|n| format!("record {n} of many: {}\n", "x".repeat(100)))
        .collect();
    assert_eq!(broker.run(&["produce", "logs", "-q"], &lines).0, 0);
    let dir = broker.dir.path().to_str().unwrap().to_owned();
    let verify = ["log", "verify", &dir];
    assert_eq!(broker.run(&verify, "").0, 2, "in use");
    assert!(broker.stop());
    let (code, out, _) = broker.run(&verify, "");
    assert_eq!((code, out.as_str()), (0, "no damage found\n"));
    let folder = broker.dir.path().join("topics");
    let topic = fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let files = fs::read_dir(topic.join("0"))
        .unwrap()
        .map(|f| f.unwrap().path());
    let segment = files
        .filter(|f| f.extension().is_some_and(|e| e == "log"))
        .max_by_key(|f| fs::metadata(f).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let (code, out, _) = broker.run(&verify, "");
    assert_eq!(code, 1);
    assert!(
        out.contains(segment.to_str().unwrap()) && out.contains("offsets"),
        "{out}"
    );
    let copies = broker.dir.path().join("copies");
    let salvage = ["log", "salvage", &dir, copies.to_str().unwrap()];
    let (code, out, _) = broker.run(&salvage, "");
    assert!(code == 0 && out.contains(", lost "), "{out}");
    assert_eq!(broker.run(&salvage, "").0, 2, "the folder exists");
}

/// Through the whole broker: what is produced, compacted in the background, and read.
#[test]
fn a_compacted_topic_keeps_the_last_of_each_key() {
    let broker = Broker::start();
    let configs = [
        "cleanup.policy=compact",
        "segment.bytes=1048576",
        "min.cleanable.dirty.ratio=0.01",
    ];
    let configs = configs.iter().flat_map(|c| ["--topic-config", c]);
    let create: Vec<&str> = ["topic", "create", "kv", "--partitions", "1"]
        .into_iter()
        .chain(configs)
        .collect();
    assert_eq!(broker.run(&create, "").0, 0);
    let input: String = (0..12_000)
        .map(|n| format!("k{}:{n}-{}\n", n % 100, "x".repeat(400)))
        .collect();
    let (code, _, error) = broker.run(&["produce", "kv", "-f", "%k:%v\n"], &input);
    assert_eq!(code, 0, "{error}");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let read = ["consume", "kv", "--exit-at-end", "-f", "%o %k %v\n"];
        let (code, out, error) = broker.run(&read, "");
        assert_eq!(code, 0, "{error}");
        let mut last = BTreeMap::new();
        let mut before = -1;
        for line in out.lines() {
            let mut words = line.split(' ');
            let offset: i64 = words.next().unwrap().parse().unwrap();
            assert!(offset > before, "offsets ascend");
            before = offset;
            last.insert(words.next().unwrap().to_owned(), offset);
        }
        // Whatever was compacted so far: the last of each key, at its own offset.
        let expected = (11_900..12_000).map(|n| (format!("k{}", n % 100), n));
        assert_eq!(last, expected.collect());
        let compacted = out.lines().count() < 6_000;
        if compacted {
            return;
        }
        assert!(Instant::now() < deadline, "nothing is compacted");
    }
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run("", &["completions", shell], "");
        assert_eq!(code, 0);
        assert!(out.contains("add-partitions"), "{shell}");
    }
}
