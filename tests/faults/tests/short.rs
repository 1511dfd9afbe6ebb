//! Each scenario, shortened; the long ones are `just faults NAME`. Needs the binary: `BINARY`, or the
//! one that `cargo build` makes beside these tests.

use std::path::Path;
use std::time::Duration;

use corelog_faults::{
    Name, Outcome, Plan, Run, STYLES, binary, free_ports, pause, remove, scenarios,
};

fn run(name: &str, rounds: u64) -> Run {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{name}"));
    remove(&dir).unwrap();
    let plan = Plan {
        binary: binary(),
        dir,
        port: free_ports(),
        rounds,
        seed: 1,
        progress: false,
        environment: Vec::new(),
    };
    Run::new(name, plan).unwrap()
}

fn finish(run: Run) -> Outcome {
    println!("{}", run.outcome);
    assert!(run.outcome.is_clean(), "{}", run.outcome);
    remove(&run.plan.dir).unwrap();
    run.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing() {
    let mut run = run("kill", 6);
    scenarios::kill(&mut run).await.unwrap();
    let outcome = finish(run);
    assert_eq!((outcome.rounds, outcome.recoveries.len()), (6, 6));
    assert!(outcome.counts.acknowledged > 100, "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_between_numbers_of_cores_lose_nothing() {
    let mut run = run("cores", 4);
    scenarios::cores(&mut run).await.unwrap();
    assert!(finish(run).counts.acknowledged > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_costs_time_only() {
    let mut run = run("stop", 2);
    scenarios::stop(&mut run).await.unwrap();
    assert!(finish(run).counts.acknowledged > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_takes_only_what_is_torn() {
    let mut run = run("torn-tail", 12);
    scenarios::torn_tail(&mut run).await.unwrap();
    assert!(finish(run).rounds >= 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_a_journal_is_named_refused_and_read_around() {
    let mut run = run("hole", 15);
    scenarios::hole(&mut run).await.unwrap();
    assert_eq!(finish(run).rounds, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_never_served() {
    let mut run = run("bit-flip", 30);
    scenarios::bit_flip(&mut run).await.unwrap();
    assert!(finish(run).rounds >= 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_sector_is_never_served() {
    let mut run = run("sectors", 30);
    scenarios::sectors(&mut run).await.unwrap();
    assert!(finish(run).rounds >= 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_recovers() {
    let mut run = run("disk-full", 2);
    scenarios::disk_full(&mut run).await.unwrap();
    finish(run);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_disk_fails_loses_nothing() {
    let mut run = run("io-error", 2);
    scenarios::io_error(&mut run).await.unwrap();
    finish(run);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_loss_loses_nothing() {
    let mut run = run("power", 5);
    scenarios::power(&mut run).await.unwrap();
    finish(run);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_slows_writes_only() {
    let mut run = run("slow-disk", 2);
    scenarios::slow_disk(&mut run).await.unwrap();
    finish(run);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jumping_clock_deletes_nothing() {
    let mut run = run("clock", 2);
    scenarios::clock(&mut run).await.unwrap();
    finish(run);
}

/// The harness itself: a disk that forgets the newest half of each journal has lost something.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_disk_forgets_is_missed() {
    let mut run = run("forgets", 1);
    let setup = run.setup().unwrap();
    let bench = run.bench(&setup, 1).unwrap();
    let (broker, _) = setup.serve().await.unwrap();
    bench.create_topic(&[]).await.unwrap();
    let load = bench.start(&STYLES, 1, 1).await.unwrap();
    pause(Duration::from_millis(500)).await;
    broker.kill();
    forget_half(&setup.data.join("journal"));
    let (broker, _) = setup.serve().await.unwrap();
    load.stop().await;
    bench.read_whole().await.unwrap();
    broker.kill();
    let found = bench.history().findings().0.clone();
    let seen = [Name::LostWrite, Name::Unseen, Name::InconsistentOffsets];
    assert!(seen.iter().any(|name| found.count(*name) > 0), "{found}");
    remove(&run.plan.dir).unwrap();
}

/// Zeros in the second half of what was written to each journal file.
fn forget_half(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            forget_half(&path);
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        bytes[used.div_ceil(2)..used].fill(0);
        std::fs::write(&path, bytes).unwrap();
    }
}
