//! What a broker reaches beside the floor of its machine, in one run, floor and broker in turns.
//!
//! `cargo run --release -p corelog-client --example reach -- 127.0.0.1:9092 DIR [WORDS [ROUNDS]]`
//!
//! DIR is a folder on the broker's disk; of the lines below, those run whose text holds WORDS. The
//! topics `reach-one` (1 partition) and `reach-many` (1,000 partitions) must exist. Everything is
//! acks=all over one connection, so client and broker share the machine. Three comparisons: one
//! record of 1 KiB in flight against a bare write and flush plus a loopback round trip; batches of
//! 1 MiB, pipelined, against direct writes with a flush after each, of a file that was written before
//! and of a new one, as segments are; and small batches to 1,000 partitions against one: the same
//! bytes as one batch, and the same batches, which are then a request each.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use corelog_base::TimestampMs;
use corelog_record::{BatchBuilder, Codec};
use corelog_wire::kafka::{
    ApiKey, Array, Encoder, PartitionProduceData, ProduceRequest, ProduceResponse, ResponseHeader,
    TopicProduceData,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Unless told otherwise.
const ROUNDS: usize = 5;
const VERSION: i16 = 9;
const O_DIRECT: i32 = 0x4000;
const SMALL_OPERATIONS: usize = 400;
const LARGE_OPERATIONS: usize = 1000;
const SPREAD_OPERATIONS: usize = 400;
/// Small batches in one request of the spread workload.
const SPREAD: usize = 100;
const PARTITIONS: usize = 1000;
/// Where a frame carries its correlation id: after the length, the key and the version.
const CORRELATION_AT: usize = 8;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".into());
    let dir = arguments.next().unwrap_or_else(|| ".".into());
    let words = arguments.next().unwrap_or_default();
    let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse())?;
    let mut broker = Connection::open(&address)?;
    let floor = Floor::new(Path::new(&dir), FLOOR_BYTES)?;
    let one = |value: usize| frame("reach-one", &[0], value);
    let small = [one(1024)?];
    let large = [one((1 << 20) - 200)?];
    let joined = [one(SPREAD * 1024)?];
    let spread: Outcome<Vec<Vec<u8>>> = (0..PARTITIONS / SPREAD)
        .map(|i| {
            let first = (i * SPREAD) as i32;
            let partitions: Vec<i32> = (first..first + SPREAD as i32).collect();
            frame("reach-many", &partitions, 1024 - 75)
        })
        .collect();
    let spread = spread?;
    let mut lines = Lines::default();
    for _ in 0..rounds {
        let mut add =
            |what: &'static str, bytes: usize, run: &mut dyn FnMut() -> Outcome<Times>| {
                if what.contains(&words) {
                    lines.add(what, bytes, run()?);
                }
                Ok::<(), Box<dyn Error>>(())
            };
        add("4 KiB write + fdatasync", 4096, &mut || {
            floor.writes(4096, SMALL_OPERATIONS)
        })?;
        add("64 B loopback round trip", 64, &mut || {
            round_trips(SMALL_OPERATIONS)
        })?;
        add("produce 1 KiB, 1 in flight", 1024, &mut || {
            broker.run(&small, SMALL_OPERATIONS, 1)
        })?;
        add("1 MiB write + fdatasync", 1 << 20, &mut || {
            floor.writes(1 << 20, LARGE_OPERATIONS)
        })?;
        add("1 MiB write + fdatasync, new file", 1 << 20, &mut || {
            Floor::new(Path::new(&dir), 0)?.writes(1 << 20, LARGE_OPERATIONS)
        })?;
        add("produce 1 MiB, 8 in flight", 1 << 20, &mut || {
            broker.run(&large, LARGE_OPERATIONS, 8)
        })?;
        add("produce 1 MiB, 32 in flight", 1 << 20, &mut || {
            broker.run(&large, LARGE_OPERATIONS, 32)
        })?;
        let bytes = SPREAD << 10;
        add(
            "produce 100 KiB to 1 partition, 16 in flight",
            bytes,
            &mut || broker.run(&joined, SPREAD_OPERATIONS, 16),
        )?;
        add(
            "produce 1 KiB to 1 partition, 1,600 in flight",
            1024,
            &mut || broker.run(&small, SPREAD_OPERATIONS * SPREAD, 16 * SPREAD),
        )?;
        add(
            "produce 100 x 1 KiB to 1,000 partitions, 16 in flight",
            bytes,
            &mut || broker.run(&spread, SPREAD_OPERATIONS, 16),
        )?;
    }
    lines.print();
    Ok(())
}

/// One round's operations: how long each took, and all of them.
struct Times {
    each: Vec<Duration>,
    all: Duration,
}

/// A request that writes one batch of one record to each partition.
fn frame(topic: &str, partitions: &[i32], value_bytes: usize) -> Outcome<Vec<u8>> {
    let value: Vec<u8> = (0..value_bytes).map(|i| (i * 31 % 251) as u8).collect();
    // Not long ago: what retention deletes is another measurement.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now = TimestampMs(i64::try_from(since.as_millis())?);
    let mut parts = Vec::new();
    for index in partitions {
        let mut batch = BatchBuilder::new(Codec::None);
        batch.push(now, None, Some(&value), &[])?;
        parts.push(PartitionProduceData {
            index: *index,
            records: batch.finish().freeze().into(),
        });
    }
    let data = TopicProduceData {
        name: topic,
        partition_data: Array::from(parts),
        ..TopicProduceData::default()
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: Array::from(vec![data]),
        ..ProduceRequest::default()
    };
    let mut encoder = Encoder::request(ApiKey::Produce, VERSION, 0, Some("reach"));
    request.encode(VERSION, &mut encoder);
    let parts: Vec<Bytes> = encoder.finish()?;
    Ok(parts.concat())
}

struct Connection {
    stream: TcpStream,
    correlation: i32,
}

impl Connection {
    fn open(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            correlation: 0,
        })
    }

    /// Sends `count` requests, the frames in turn, with at most `window` unanswered.
    fn run(&mut self, frames: &[Vec<u8>], count: usize, window: usize) -> Outcome<Times> {
        let started = Instant::now();
        let mut sent: Vec<Instant> = Vec::new();
        let mut each = Vec::new();
        let first = self.correlation;
        while each.len() < count {
            while sent.len() < count && sent.len() - each.len() < window {
                self.send(&frames[sent.len() % frames.len()])?;
                sent.push(Instant::now());
            }
            let answered = self.receive()?;
            if answered != first + each.len() as i32 {
                return Err(format!("response {answered} is out of order").into());
            }
            each.push(sent[each.len()].elapsed());
        }
        let all = started.elapsed();
        Ok(Times { each, all })
    }

    fn send(&mut self, frame: &[u8]) -> Outcome<()> {
        let mut head = [0u8; CORRELATION_AT + 4];
        head.copy_from_slice(&frame[..CORRELATION_AT + 4]);
        head[CORRELATION_AT..].copy_from_slice(&self.correlation.to_be_bytes());
        self.correlation += 1;
        let rest = &frame[CORRELATION_AT + 4..];
        let parts = [IoSlice::new(&head), IoSlice::new(rest)];
        let sent = self.stream.write_vectored(&parts)?;
        // What a socket takes of it at once is more than the head.
        let sent = sent
            .checked_sub(head.len())
            .ok_or("the socket takes nothing")?;
        self.stream.write_all(&rest[sent..])?;
        Ok(())
    }

    fn receive(&mut self) -> Outcome<i32> {
        let mut length = [0u8; 4];
        self.stream.read_exact(&mut length)?;
        let mut body = vec![0u8; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut body)?;
        let (header, rest) = ResponseHeader::decode(ApiKey::Produce, VERSION, &body)?;
        let response = ProduceResponse::decode(VERSION, rest)?;
        for topic in response.responses.iter() {
            for partition in topic.partition_responses.iter() {
                if partition.error_code.0 != 0 {
                    let why = format!("partition {}: {:?}", partition.index, partition.error_code);
                    return Err(why.into());
                }
            }
        }
        Ok(header.correlation_id)
    }
}

/// Direct writes with a flush after each.
struct Floor {
    file: File,
    memory: Vec<u8>,
    aligned: usize,
    prewritten: usize,
}

const FLOOR_BYTES: usize = 64 << 20;

impl Floor {
    /// `prewritten` bytes are written and flushed before, and written again in turn.
    fn new(dir: &Path, prewritten: usize) -> Outcome<Self> {
        let path = dir.join("reach.floor");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.custom_flags(O_DIRECT).open(&path)?;
        std::fs::remove_file(&path)?;
        let memory = vec![0x5au8; (1 << 20) + 4096];
        let aligned = memory.as_ptr().align_offset(4096);
        let floor = Self {
            file,
            memory,
            aligned,
            prewritten,
        };
        for position in (0..prewritten).step_by(1 << 20) {
            floor
                .file
                .write_all_at(floor.part(1 << 20), position as u64)?;
        }
        floor.file.sync_all()?;
        Ok(floor)
    }

    fn part(&self, bytes: usize) -> &[u8] {
        &self.memory[self.aligned..self.aligned + bytes]
    }

    fn writes(&self, bytes: usize, count: usize) -> Outcome<Times> {
        let started = Instant::now();
        let mut each = Vec::new();
        for i in 0..count {
            let before = Instant::now();
            let position = match self.prewritten {
                0 => (i * bytes) as u64,
                prewritten => (i * bytes % prewritten) as u64,
            };
            self.file.write_all_at(self.part(bytes), position)?;
            self.file.sync_data()?;
            each.push(before.elapsed());
        }
        let all = started.elapsed();
        Ok(Times { each, all })
    }
}

fn round_trips(count: usize) -> Outcome<Times> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut peer, _) = listener.accept()?;
        peer.set_nodelay(true)?;
        let mut message = [0u8; 64];
        while peer.read_exact(&mut message).is_ok() {
            peer.write_all(&message)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut message = [7u8; 64];
    let started = Instant::now();
    let mut each = Vec::new();
    for _ in 0..count {
        let before = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        each.push(before.elapsed());
    }
    let all = started.elapsed();
    drop(stream);
    echo.join().map_err(|_| "the echo panicked")??;
    Ok(Times { each, all })
}

/// The table: one line a workload, over all rounds.
#[derive(Default)]
struct Lines(Vec<(&'static str, usize, Vec<Duration>, Duration)>);

impl Lines {
    fn add(&mut self, what: &'static str, bytes: usize, times: Times) {
        match self.0.iter_mut().find(|line| line.0 == what) {
            Some(line) => {
                line.2.extend(times.each);
                line.3 += times.all;
            }
            None => self.0.push((what, bytes, times.each, times.all)),
        }
    }

    fn print(&mut self) {
        println!(
            "{:<55} {:>9} {:>9} {:>9}",
            "what", "p50 us", "p99 us", "MB/s"
        );
        for (what, bytes, times, all) in &mut self.0 {
            times.sort_unstable();
            let at = |part: f64| {
                let index = ((times.len() - 1) as f64 * part) as usize;
                times[index].as_secs_f64() * 1e6
            };
            let rate = (*bytes * times.len()) as f64 / all.as_secs_f64() / 1e6;
            println!("{what:<55} {:>9.1} {:>9.1} {rate:>9.1}", at(0.5), at(0.99));
        }
    }
}
