//! `bench floor`: what the machine gives at best, to be measured beside what is compared with it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use corelog_record::Codec;
use serde::Serialize;

use crate::disk::Disk;
use crate::driver::Layout;
use crate::histogram::{self, Times, times};
use crate::sink::Sink;
use crate::{
    Acks, Arrivals, Driver, Error, Load, Mode, Rate, Settings, Stop, Summary, Target, clock,
};

/// All lines take turns, so that what else the machine does hits each of them.
const ROUNDS: usize = 5;
const SMALL_BYTES: usize = 4 << 10;
const LARGE_BYTES: usize = 1 << 20;
const SMALL_COUNT: usize = 2_500;
const LARGE_COUNT: usize = 64;
const READ_COUNT: usize = 512;
const SEND_COUNT: usize = 512;
const TRIPS: usize = 2_500;
const MESSAGE_BYTES: usize = 64;
const PRODUCED_BYTES: usize = 1024;

/// The machine's best, and what the generator adds.
#[derive(Debug, Serialize)]
pub struct Floor {
    pub lines: Vec<FloorLine>,
}

/// One thing done again and again, one at a time.
#[derive(Debug, Serialize)]
pub struct FloorLine {
    pub what: &'static str,
    pub time_us: Summary,
    pub per_s: f64,
    pub bytes_per_s: f64,
}

struct Line {
    what: &'static str,
    bytes: usize,
    times: Times,
    all: Duration,
}

/// Measures for some seconds. `dir` is a folder on the broker's disk.
///
/// # Errors
/// `Io` for a folder without direct I/O, or if loopback fails.
pub fn floor(dir: &Path, stop: &Stop) -> Result<Floor, Error> {
    clock::sharpen_timers();
    let line = |what, bytes| Line {
        what,
        bytes,
        times: times(),
        all: Duration::ZERO,
    };
    let mut small = line("write and flush 4 KiB", SMALL_BYTES);
    let mut large = line("write and flush 1 MiB", LARGE_BYTES);
    let mut trips = line("loopback round trip of 64 B", MESSAGE_BYTES);
    let mut kafka = line(
        "produce 1 KiB to a broker that does nothing",
        PRODUCED_BYTES,
    );
    let mut native = line(
        "produce 1 KiB to one, in the native protocol",
        PRODUCED_BYTES,
    );
    let mut reads = line("read 1 MiB directly, 4 at a time", LARGE_BYTES);
    let mut stream = line("send 1 MiB over loopback", LARGE_BYTES);
    let disk = Disk::prewrite(dir)?;
    for _ in 0..ROUNDS {
        if stop.is_requested() {
            break;
        }
        small.all += disk.flushes(SMALL_BYTES, SMALL_COUNT, &mut small.times)?;
        trips.all += round_trips(&mut trips.times)?;
        kafka.all += produce(Driver::Kafka, &mut kafka.times)?;
        native.all += produce(Driver::Native, &mut native.times)?;
        large.all += disk.flushes(LARGE_BYTES, LARGE_COUNT, &mut large.times)?;
        stream.all += send_on(&mut stream.times)?;
        reads.all += disk.reads(READ_COUNT, &mut reads.times)?;
    }
    let lines = [small, large, trips, kafka, native, stream, reads];
    Ok(Floor {
        lines: lines.iter().filter_map(Line::summary).collect(),
    })
}

impl Line {
    fn summary(&self) -> Option<FloorLine> {
        let per_s = self.times.len() as f64 / self.all.as_secs_f64().max(1e-9);
        Some(FloorLine {
            what: self.what,
            time_us: Summary::of(&self.times)?,
            per_s: per_s.round(),
            bytes_per_s: (per_s * self.bytes as f64).round(),
        })
    }
}

fn round_trips(times: &mut Times) -> Result<Duration, Error> {
    let failed = || Error::io("echo over loopback");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    // It ends when the stream does.
    std::thread::spawn(move || -> std::io::Result<()> {
        let (mut peer, _) = listener.accept()?;
        peer.set_nodelay(true)?;
        let mut message = [0; MESSAGE_BYTES];
        loop {
            peer.read_exact(&mut message)?;
            peer.write_all(&message)?;
        }
    });
    let mut stream = TcpStream::connect(address).map_err(failed())?;
    stream.set_nodelay(true).map_err(failed())?;
    let mut message = [7; MESSAGE_BYTES];
    let begin = clock::now();
    for _ in 0..TRIPS {
        let start = clock::now();
        stream.write_all(&message).map_err(failed())?;
        stream.read_exact(&mut message).map_err(failed())?;
        histogram::record(times, clock::now().since(start));
    }
    Ok(clock::now().since(begin))
}

/// One stream, which somebody else reads and forgets.
fn send_on(times: &mut Times) -> Result<Duration, Error> {
    let failed = || Error::io("send over loopback");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    let reader = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut peer, _) = listener.accept()?;
        let mut block = vec![0; LARGE_BYTES];
        while peer.read(&mut block)? > 0 {}
        Ok(())
    });
    let mut stream = TcpStream::connect(address).map_err(failed())?;
    let block = vec![7; LARGE_BYTES];
    let begin = clock::now();
    for _ in 0..SEND_COUNT {
        let start = clock::now();
        stream.write_all(&block).map_err(failed())?;
        histogram::record(times, clock::now().since(start));
    }
    drop(stream);
    let read = reader.join().expect("the reader panicked");
    read.map_err(failed())?;
    Ok(clock::now().since(begin))
}

/// The way of a run, but for its schedule: one request in flight, on blocking sockets.
fn produce(driver: Driver, times: &mut Times) -> Result<Duration, Error> {
    let sink = Sink::start(None)?;
    let settings = settings(driver, sink.address());
    let layout = Layout::open(&settings)?;
    let mut lanes = layout.lanes(&settings, 1)?;
    let Some(lane) = lanes.first_mut() else {
        return Ok(Duration::ZERO);
    };
    let mut socket = lane.connect()?;
    let begin = clock::now();
    for _ in 0..TRIPS {
        let start = clock::now();
        lane.send(&mut socket, start)?;
        socket.flush()?;
        let frame = loop {
            if let Some(frame) = socket.frame()? {
                break frame;
            }
            socket.fill()?;
        };
        lane.answer(socket.bytes(frame))?;
        histogram::record(times, clock::now().since(start));
    }
    Ok(clock::now().since(begin))
}

fn settings(driver: Driver, address: String) -> Settings {
    Settings {
        target: Target {
            driver,
            bootstrap: vec![address],
            topic: "floor".to_owned(),
            partitions: 1,
        },
        load: Load {
            rate: Rate::Max,
            arrivals: Arrivals::Uniform,
            acks: Acks::All,
            size: PRODUCED_BYTES,
            key_bytes: 0,
            batch: 1,
            compression: Codec::None,
            connections: 1,
            in_flight: 1,
            consumers: 1,
        },
        mode: Mode::Produce,
        duration: Duration::from_secs(1),
        warmup: Duration::ZERO,
        pin: Vec::new(),
        out: std::path::PathBuf::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_measured() {
        // Not where temporary files are: memory has no direct I/O.
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let floor = floor(dir.path(), &Stop::default()).unwrap();
        assert_eq!(floor.lines.len(), 7);
        for line in &floor.lines {
            assert!(line.time_us.p50.is_some(), "{line:?}");
            assert!(
                line.per_s > 0.0 && line.bytes_per_s > line.per_s,
                "{line:?}"
            );
        }
        assert!(dir.path().read_dir().unwrap().next().is_none());
        let stop = Stop::default();
        stop.request();
        assert!(super::floor(dir.path(), &stop).unwrap().lines.is_empty());
    }
}
