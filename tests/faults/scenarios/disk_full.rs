//! Row 7: no space is left, or no inode.
//!
//! Fault model: somebody else takes every free block, or every free inode, of the data directory's
//! file system while the broker is under load, and gives them back later. Every other time the
//! broker is killed while there is none, and starts without any.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::mount::{Inodes, Mount};
use crate::{Acks, Bench, Broker, Run, STYLES, Setup, Style, pause, remove};

const DISK_BYTES: u64 = 192 << 20;
const ROUNDS_OF_AN_EPOCH: u64 = 4;
/// How long a full disk may go unnoticed, or a healed one.
const PATIENCE: Duration = Duration::from_secs(20);
/// The latter is for a write that came before the broker saw that there is no space.
const REFUSALS: [&str; 2] = ["KAFKA_STORAGE_ERROR (56)", "REQUEST_TIMED_OUT (7)"];

/// # Errors
/// What keeps the scenario from being run.
pub async fn disk_full(run: &mut Run) -> Result<(), String> {
    let mut tally = Tally::default();
    while run.outcome.rounds < run.plan.rounds {
        let inodes = match (run.outcome.rounds / ROUNDS_OF_AN_EPOCH).is_multiple_of(2) {
            true => Inodes::Plenty,
            false => Inodes::Few,
        };
        let mount = match Mount::make(&run.plan.dir, run.outcome.rounds, DISK_BYTES, inodes) {
            Ok(mount) => mount,
            Err(why) => {
                run.outcome.skipped = Some(why);
                return Ok(());
            }
        };
        epoch(run, &mount, inodes, &mut tally).await?;
    }
    tally.resumed.sort_unstable();
    let longest = tally.resumed.last().map_or(0, Duration::as_millis);
    run.note("writes again after, at most", format!("{longest} ms"));
    run.note("refusals", format!("{:?}", tally.refusals));
    run.note("rounds refused without inodes", tally.without_inodes);
    run.note("starts on a full disk", tally.starts);
    run.note("starts refused without inodes", tally.refused_starts);
    Ok(())
}

#[derive(Default)]
struct Tally {
    resumed: Vec<Duration>,
    refusals: BTreeMap<String, u64>,
    without_inodes: u64,
    starts: u64,
    refused_starts: u64,
}

async fn epoch(
    run: &mut Run,
    mount: &Mount,
    inodes: Inodes,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut setup = run.setup()?;
    setup.data = mount.dir.join("data");
    setup.settings = vec![
        ("log.journal_file_bytes", "4MiB".to_owned()),
        ("log.disk_reserve_bytes", "16MiB".to_owned()),
        ("log.unsettled_bytes", "8MiB".to_owned()),
    ];
    let bench = run.bench(&setup, 3)?;
    let (mut broker, _) = setup.serve().await?;
    let created = bench.create_topic(&[("segment.bytes", "1048576")]).await;
    created.map_err(|e| format!("create a topic: {e}"))?;
    for _ in 0..ROUNDS_OF_AN_EPOCH {
        if run.outcome.rounds == run.plan.rounds {
            break;
        }
        match round(run, mount, inodes, &setup, &bench, broker, tally).await {
            Ok(next) => broker = next,
            Err(what) => {
                run.fail(format!("{inodes:?} inodes: {what}"));
                run.close(&bench);
                run.round(String::new);
                return Ok(());
            }
        }
        run.round(|| format!("{inodes:?} inodes, refused {:?}", tally.refusals));
    }
    broker.drain().await?;
    run.close(&bench);
    Ok(())
}

async fn round(
    run: &mut Run,
    mount: &Mount,
    inodes: Inodes,
    setup: &Setup,
    bench: &Bench,
    mut broker: Broker,
    tally: &mut Tally,
) -> Result<Broker, String> {
    let failed = |e: corelog_client::Error| e.to_string();
    let load = bench.start(&STYLES, 1, run.random.next_u64()).await;
    let load = load.map_err(failed)?;
    pause(run.between(Duration::ZERO, Duration::from_millis(300))).await;
    let before = bench.errors();
    bench.fault("full");
    let filler = match inodes {
        Inodes::Plenty => mount.fill()?,
        Inodes::Few => mount.fill_inodes()?,
    };
    let refused = until(bench, Outcome::Refused).await?.is_some();
    if !refused && inodes == Inodes::Plenty {
        return Err("writes go on although there is no space".to_owned());
    }
    let errors = only(&before, bench.errors());
    // Without inodes there is room for writes until a segment is begun.
    for (error, count) in &errors {
        *tally.refusals.entry(error.clone()).or_default() += count;
    }
    tally.without_inodes += u64::from(refused && inodes == Inodes::Few);
    if errors
        .keys()
        .any(|error| !REFUSALS.contains(&error.as_str()))
    {
        return Err(format!("writes were refused with {errors:?}"));
    }
    bench.read_whole().await.map_err(failed)?;
    let killed = run.random.chance(400);
    if killed {
        bench.fault("kill");
        broker.kill();
        broker = match setup.serve().await {
            Ok((broker, _)) => {
                tally.starts += 1;
                broker
            }
            // A start makes files: without an inode it is refused in so many words.
            Err(why) if inodes == Inodes::Few && why.contains("No space left on device") => {
                tally.refused_starts += 1;
                give_back(&filler)?;
                setup.serve().await?.0
            }
            Err(why) => return Err(why),
        };
        bench.read_whole().await.map_err(failed)?;
    }
    pause(run.between(Duration::ZERO, Duration::from_millis(500))).await;
    bench.fault("healed");
    give_back(&filler)?;
    let resumed = until(bench, Outcome::Written).await?;
    let resumed = resumed.ok_or("writes do not go on when there is room")?;
    tally.resumed.push(resumed);
    load.stop().await;
    if !broker.is_running() {
        return Err("the broker ended".to_owned());
    }
    bench.read_whole().await.map_err(failed)?;
    Ok(broker)
}

fn give_back(filler: &Path) -> Result<(), String> {
    if filler.is_file() {
        let removed = std::fs::remove_file(filler);
        return removed.map_err(|e| format!("{}: {e}", filler.display()));
    }
    remove(filler)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Written,
    Refused,
}

/// Writes single records until one ends as `wanted`. Gives how long that took.
async fn until(bench: &Bench, wanted: Outcome) -> Result<Option<Duration>, String> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let written = bench.write(Style::Once(Acks::All), 1, 1).await;
        let outcome = match written.map_err(|e| e.to_string())? {
            0 => Outcome::Refused,
            _ => Outcome::Written,
        };
        if outcome == wanted {
            return Ok(Some(since.elapsed()));
        }
        pause(Duration::from_millis(20)).await;
    }
    Ok(None)
}

/// What was counted since.
fn only(before: &BTreeMap<String, u64>, now: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let since = now.into_iter().map(|(error, count)| {
        let then = before.get(&error).copied().unwrap_or(0);
        (error, count - then)
    });
    since.filter(|(_, count)| *count > 0).collect()
}
