//! Seeds replay, and crashes leave what the fault model says.

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_base::CoreId;
use corelog_rt::{AlignedBuf, File, Listener, OpenMode, Runtime, Stream};

use crate::{Options, Sim, SimRuntime};

fn page(byte: u8) -> AlignedBuf {
    let mut buf = AlignedBuf::with_capacity(4096);
    buf.extend_from_slice(&[byte; 4096]);
    buf
}

async fn talk(rt: SimRuntime, other: std::net::SocketAddr) {
    let stream = rt.connect(other).await.unwrap();
    let file = rt
        .open(Path::new("/log"), OpenMode::CreateNew)
        .await
        .unwrap();
    for round in 0..50u8 {
        stream
            .send(vec![Bytes::from(vec![round; 100])])
            .await
            .unwrap();
        let (result, _) = stream.recv(BytesMut::with_capacity(1000)).await;
        assert!(result.unwrap() > 0);
        file.commit(page(round), u64::from(round) * 4096)
            .await
            .0
            .unwrap();
        rt.sleep(Duration::from_micros(rt.random() % 1000)).await;
    }
}

fn two_hosts(seed: u64) -> u64 {
    let sim = Sim::new(seed, Options::default());
    let (a, b) = (sim.add_host(), sim.add_host());
    b.start(2, |rt| async move {
        let listener = rt.listen("10.0.0.2:9092".parse().unwrap()).await.unwrap();
        while let Ok(stream) = listener.accept().await {
            rt.spawn(async move {
                loop {
                    let (result, buf) = stream.recv(BytesMut::with_capacity(64)).await;
                    if result.unwrap() == 0 || stream.send(vec![buf.freeze()]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    sim.run_for(Duration::from_millis(1));
    let rt = a.runtime(CoreId(0));
    sim.block_on(&a, talk(rt, "10.0.0.2:9092".parse().unwrap()));
    a.power_loss();
    sim.run_for(Duration::from_secs(1));
    sim.shut_down();
    sim.trace_hash()
}

#[test]
fn a_seed_replays() {
    let hashes: Vec<u64> = (0..20).map(two_hosts).collect();
    let again: Vec<u64> = (0..20).map(two_hosts).collect();
    assert_eq!(hashes, again);
    let mut different = hashes;
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 20, "seeds differ");
}

/// Writes one page and commits another, is interrupted at a random time, and says what is there.
fn interrupted(seed: u64, power: bool) -> (Option<u8>, Option<u8>) {
    let sim = Sim::new(seed, Options::default());
    let (driver, host) = (sim.add_host(), sim.add_host());
    let path = Path::new("/f");
    let rt = host.runtime(CoreId(0));
    let file = {
        let rt = rt.clone();
        sim.block_on(&host, async move {
            let file = rt.open(path, OpenMode::CreateNew).await.unwrap();
            rt.sync_dir(Path::new("/")).await.unwrap();
            file
        })
    };
    let committed = corelog_rt::Shared::new(None);
    let seen = committed.clone();
    rt.spawn(async move {
        for round in 1..200u8 {
            file.write(page(round), 4096).await.0.unwrap();
            file.commit(page(round), 0).await.0.unwrap();
            seen.with(|seen| *seen = Some(round));
        }
    });
    let mut random = sim.fork_random();
    sim.run_for(Duration::from_micros(random.below(30_000)));
    match power {
        true => host.power_loss(),
        false => host.kill(),
    }
    let rt = host.runtime(CoreId(0));
    let found = sim.block_on(&driver, async move { rt.read_small(path).await.unwrap() });
    let committed = committed.with(|c| *c);
    let last = found.get(4095).copied().filter(|b| *b > 0);
    sim.shut_down();
    // What was committed is there, or the next one.
    if let Some(round) = committed {
        assert!(found[..4096].iter().all(|b| *b == round || *b == round + 1));
        if !power {
            let second = &found[4096..];
            assert!(second.iter().all(|b| *b >= round && *b <= round + 1));
        }
    }
    (committed, last)
}

#[test]
fn commits_survive_everything_and_writes_survive_a_kill() {
    let power: Vec<_> = (0..200).map(|seed| interrupted(seed, true)).collect();
    assert!(power.iter().any(|(committed, _)| committed.is_none()));
    assert!(power.iter().any(|(committed, found)| found > committed));
    for seed in 0..200 {
        interrupted(seed, false);
    }
}

#[test]
fn a_dead_process_does_nothing_more() {
    let sim = Sim::new(1, Options::default());
    let (driver, host) = (sim.add_host(), sim.add_host());
    let old = host.runtime(CoreId(0));
    host.kill();
    let told = corelog_rt::Shared::new(false);
    let tell = told.clone();
    old.spawn(async move { tell.with(|t| *t = true) });
    let rt = driver.runtime(CoreId(0));
    sim.block_on(&driver, async move {
        let limit = Duration::from_secs(5);
        let space = corelog_rt::timeout(&rt, limit, old.space(Path::new("/"))).await;
        assert!(space.is_err());
    });
    assert!(!told.with(|t| *t));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_deadlock_is_found() {
    let sim = Sim::new(1, Options::default());
    let host = sim.add_host();
    sim.block_on(&host, std::future::pending::<()>());
}
