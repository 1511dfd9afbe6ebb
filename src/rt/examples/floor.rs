//! What this machine gives at best, and what the ring runtime gives of it, in one run.
//!
//! `cargo run --release -p corelog-rt --example floor -- [DIR] [--spin]`
//!
//! Blocking system calls and the ring take turns, so that what else the machine does hits both.
//! Compare within one table only.

use std::fs::{File as PlainFile, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use corelog_base::CoreId;
use corelog_rt::mesh::{self, MeshEnd};
use corelog_rt::ring::{self, RingRuntime};
use corelog_rt::{
    AlignedBuf, CommitMode, CorePlan, File, Listener, Notify, OpenMode, Options, Runtime, Shared,
    Stream,
};

const ROUNDS: usize = 5;
const SMALL: usize = 4096;
const LARGE: usize = 1 << 20;
const SMALL_FILE: usize = 4 << 20;
const LARGE_FILE: usize = 64 << 20;
const COMMITS: usize = 300;
const LARGE_WRITES: usize = 64;
const TRIPS: usize = 3000;
const MESSAGE: usize = 64;

type Times = Vec<Duration>;
type Ends = Arc<Mutex<Vec<MeshEnd<u32>>>>;
type Failure = Box<dyn std::error::Error>;

/// One line of the table.
struct Line {
    what: &'static str,
    times: Times,
    /// Bytes that one operation moves, where a rate in MB/s says more.
    bytes: Option<usize>,
}

#[derive(Clone)]
struct Setup {
    dir: PathBuf,
    options: Options,
}

fn main() -> Result<(), Failure> {
    let mut dir = PathBuf::from(".");
    let mut spin = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--spin" => spin = true,
            other => dir = PathBuf::from(other),
        }
    }
    corelog_rt::probe(corelog_rt::RuntimeKind::Ring)?;
    corelog_rt::probe_direct_io(&dir)?;
    let commit = ring::probe_commit(&dir)?;
    println!(
        "{} | the probe chose {commit:?} | cores {} | {ROUNDS} rounds, taking turns",
        dir.display(),
        if spin { "spin" } else { "park" },
    );
    let setup = Setup {
        dir,
        options: Options { spin, commit },
    };
    let small = setup.dir.join(".floor-small");
    let large = setup.dir.join(".floor-large");
    prewrite(&small, SMALL_FILE)?;
    prewrite(&large, LARGE_FILE)?;
    let measured = measure(&setup, &small, &large);
    std::fs::remove_file(&small)?;
    std::fs::remove_file(&large)?;
    print(&measured?);
    Ok(())
}

fn measure(setup: &Setup, small: &Path, large: &Path) -> Result<Vec<Line>, Failure> {
    let line = |what, bytes| Line {
        what,
        times: Vec::new(),
        bytes,
    };
    let mut lines = vec![
        line("4 KiB write + fdatasync, blocking", None),
        line("4 KiB commit, ring, linked flush", None),
        line("4 KiB commit, ring, RWF_DSYNC", None),
        line("1 MiB write + fdatasync, blocking", Some(LARGE)),
        line("1 MiB commit, ring, linked flush", Some(LARGE)),
        line("1 MiB commit, ring, RWF_DSYNC", Some(LARGE)),
        line("64 B loopback round trip, blocking", None),
        line("64 B loopback round trip, ring", None),
        line("round trip between two cores, ring", None),
    ];
    let with = |commit| Setup {
        dir: setup.dir.clone(),
        options: Options {
            commit,
            ..setup.options
        },
    };
    let (linked, dsync) = (with(CommitMode::LinkedFlush), with(CommitMode::Dsync));
    for _ in 0..ROUNDS {
        let round = [
            pinned(0, || blocking_writes(small, SMALL, COMMITS))?,
            ring_commits(&linked, small, SMALL, COMMITS)?,
            ring_commits(&dsync, small, SMALL, COMMITS)?,
            pinned(0, || blocking_writes(large, LARGE, LARGE_WRITES))?,
            ring_commits(&linked, large, LARGE, LARGE_WRITES)?,
            ring_commits(&dsync, large, LARGE, LARGE_WRITES)?,
            blocking_echo()?,
            ring_echo(setup)?,
            ring_cross(setup)?,
        ];
        for (line, times) in lines.iter_mut().zip(round) {
            line.times.extend(times);
        }
    }
    Ok(lines)
}

fn print(lines: &[Line]) {
    println!(
        "{:38} {:>9} {:>9} {:>9} {:>10}",
        "what", "p50 us", "p99 us", "a second", "MB/s"
    );
    for line in lines {
        let mut times = line.times.clone();
        times.sort_unstable();
        let at = |part: f64| {
            let place = (times.len() as f64 * part) as usize;
            times[place.min(times.len() - 1)].as_secs_f64() * 1e6
        };
        let total: Duration = times.iter().sum();
        let rate = times.len() as f64 / total.as_secs_f64();
        let megabytes = line
            .bytes
            .map(|bytes| format!("{:.0}", rate * bytes as f64 / 1e6));
        println!(
            "{:38} {:>9.1} {:>9.1} {:>9.0} {:>10}",
            line.what,
            at(0.5),
            at(0.99),
            rate,
            megabytes.unwrap_or_default()
        );
    }
}

fn direct(path: &Path, create: bool) -> std::io::Result<PlainFile> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .custom_flags(libc::O_DIRECT)
        .open(path)
}

fn block(bytes: usize) -> AlignedBuf {
    let mut buf = AlignedBuf::with_capacity(bytes);
    buf.set_len(bytes);
    buf.fill(0x5a);
    buf
}

fn prewrite(path: &Path, bytes: usize) -> std::io::Result<()> {
    let file = direct(path, true)?;
    let buf = block(LARGE);
    for position in (0..bytes).step_by(LARGE) {
        file.write_all_at(&buf, position as u64)?;
    }
    file.sync_all()
}

/// Runs on a thread of its own, on the CPU that core has in the ring's runs.
fn pinned<T: Send>(
    cpu: usize,
    work: impl FnOnce() -> std::io::Result<T> + Send,
) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
            work()
        });
        let panicked = |_| std::io::Error::other("a measuring thread panicked");
        thread.join().map_err(panicked)?
    })
}

fn blocking_writes(path: &Path, bytes: usize, count: usize) -> std::io::Result<Times> {
    let file = direct(path, false)?;
    let places = file.metadata()?.len() / bytes as u64;
    let buf = block(bytes);
    let mut times = Vec::with_capacity(count);
    for n in 0..count as u64 {
        let begin = Instant::now();
        file.write_all_at(&buf, n % places * bytes as u64)?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    Ok(times)
}

/// Runs `client` on core 0 and `server` on core 1, and gives what the client measured.
fn on_cores<C, CF, S, SF>(setup: &Setup, cores: u16, client: C, server: S) -> Result<Times, Failure>
where
    C: Fn(RingRuntime) -> CF + Send + Sync + 'static,
    CF: Future<Output = std::io::Result<Times>>,
    S: Fn(RingRuntime) -> SF + Send + Sync + 'static,
    SF: Future<Output = std::io::Result<()>>,
    CF: 'static,
    SF: 'static,
{
    let plans = (0..cores)
        .map(|core| CorePlan {
            core: CoreId(core),
            cpu: Some(usize::from(core)),
        })
        .collect();
    let outcome = Arc::new(Mutex::new(Ok(Vec::new())));
    let place = outcome.clone();
    let both = Arc::new((client, server));
    let running = ring::start(plans, setup.options, move |rt| {
        let (place, both) = (place.clone(), both.clone());
        async move {
            let done = match rt.core().0 {
                0 => (both.0)(rt).await,
                _ => (both.1)(rt).await.map(|()| Vec::new()),
            };
            if let Ok(mut place) = place.lock() {
                match done {
                    Ok(times) if !times.is_empty() => *place = Ok(times),
                    Ok(_) => {}
                    Err(error) => *place = Err(error),
                }
            }
        }
    })?;
    running.join();
    let mut outcome = outcome.lock().map_err(|_| "a core panicked")?;
    Ok(std::mem::replace(&mut *outcome, Ok(Vec::new()))?)
}

fn ring_commits(setup: &Setup, path: &Path, bytes: usize, count: usize) -> Result<Times, Failure> {
    let path = path.to_path_buf();
    let client = move |rt: RingRuntime| {
        let path = path.clone();
        async move {
            let file = rt.open(&path, OpenMode::ReadWrite).await?;
            let places = file.bytes().await? / bytes as u64;
            let mut buf = block(bytes);
            let mut times = Vec::with_capacity(count);
            for n in 0..count as u64 {
                let begin = Instant::now();
                let result;
                (result, buf) = file.commit(buf, n % places * bytes as u64).await;
                result?;
                times.push(begin.elapsed());
            }
            Ok(times)
        }
    };
    on_cores(setup, 1, client, |_| std::future::ready(Ok(())))
}

fn blocking_echo() -> std::io::Result<Times> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = std::thread::spawn(move || pinned(1, || serve_echo(&listener)));
    let times = pinned(0, || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut buf = [7; MESSAGE];
        let mut times = Vec::with_capacity(TRIPS);
        for _ in 0..TRIPS {
            let begin = Instant::now();
            stream.write_all(&buf)?;
            stream.read_exact(&mut buf)?;
            times.push(begin.elapsed());
        }
        Ok(times)
    })?;
    let panicked = |_| std::io::Error::other("the echo panicked");
    server.join().map_err(panicked)??;
    Ok(times)
}

fn serve_echo(listener: &TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut buf = [0; MESSAGE];
    for _ in 0..TRIPS {
        stream.read_exact(&mut buf)?;
        stream.write_all(&buf)?;
    }
    Ok(())
}

async fn receive<S: Stream>(stream: &S, mut buf: BytesMut) -> std::io::Result<BytesMut> {
    buf.clear();
    while buf.len() < MESSAGE {
        buf.reserve(MESSAGE);
        let (result, back) = stream.recv(buf).await;
        buf = back;
        if result? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(buf)
}

fn ring_echo(setup: &Setup) -> Result<Times, Failure> {
    let (tell, told) = std::sync::mpsc::channel::<SocketAddr>();
    let (tell, told) = (Mutex::new(tell), Mutex::new(told));
    let client = move |rt: RingRuntime| {
        let address = told.lock().ok().and_then(|told| told.recv().ok());
        async move {
            let address = address.ok_or(std::io::ErrorKind::NotConnected)?;
            let stream = rt.connect(address).await?;
            let message = Bytes::from_static(&[7; MESSAGE]);
            let mut buf = BytesMut::new();
            let mut times = Vec::with_capacity(TRIPS);
            for _ in 0..TRIPS {
                let begin = Instant::now();
                stream.send(vec![message.clone()]).await?;
                buf = receive(&stream, buf).await?;
                times.push(begin.elapsed());
            }
            Ok(times)
        }
    };
    let server = move |rt: RingRuntime| {
        let tell = tell.lock().ok().map(|tell| tell.clone());
        async move {
            let listener = rt.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
            if let Some(tell) = tell {
                // The client is gone only if it failed, which it reports.
                let _ = tell.send(listener.local_addr()?);
            }
            let stream = listener.accept().await?;
            for _ in 0..TRIPS {
                let message = receive(&stream, BytesMut::new()).await?;
                stream.send(vec![message.freeze()]).await?;
            }
            Ok(())
        }
    };
    on_cores(setup, 2, client, server)
}

/// One ball between two cores. Both sides play; the first core keeps the time.
async fn play(rt: RingRuntime, ends: Ends) -> std::io::Result<Times> {
    let end = ends.lock().ok().and_then(|mut ends| {
        let at = ends.iter().position(|end| end.core() == rt.core())?;
        Some(ends.remove(at))
    });
    let end = end.ok_or(std::io::ErrorKind::NotFound)?;
    let (arrived, last) = (Notify::new(), Shared::new(0u32));
    let (arrived2, last2) = (arrived.clone(), last.clone());
    let mesh = end.attach(&rt, move |_, parcel| {
        last2.with(|last| *last = parcel.into_iter().max().unwrap_or(0));
        arrived2.notify();
    });
    let other = CoreId(1 - rt.core().0);
    let mut times = Vec::with_capacity(TRIPS);
    let first = rt.core().0 == 0;
    for n in 1..=TRIPS as u32 {
        let begin = Instant::now();
        if first {
            mesh.post(other, n);
        }
        while last.with(|last| *last) < n {
            arrived.notified().await;
        }
        if !first {
            mesh.post(other, n);
        }
        times.push(begin.elapsed());
    }
    // The last ball must be carried before this core goes.
    rt.sleep(Duration::from_millis(5)).await;
    Ok(times)
}

fn ring_cross(setup: &Setup) -> Result<Times, Failure> {
    let ends: Ends = Arc::new(Mutex::new(mesh::build(2, 16)));
    let server_ends = ends.clone();
    let client = move |rt: RingRuntime| play(rt, ends.clone());
    let server = move |rt: RingRuntime| {
        let ends = server_ends.clone();
        async move { play(rt, ends).await.map(|_| ()) }
    };
    on_cores(setup, 2, client, server)
}
