//! Frames of the native protocol: valid ones, forged ones, and mutants.

use std::io;

use bytes::Bytes;
use corelog_base::{Random, crc32c};
use corelog_fuzz::mutate;
use corelog_record::Codec;
use corelog_wire::native::{
    FLAG_MORE, HEADER_BYTES, Header, Limits, META_BYTES_MAX, Outbound, v1, v2,
};
use tokio::time::timeout;

use super::fuzz::{ANSWER_WAIT, Seen};
use crate::Socket;
use crate::request::batch;

/// The correlation id of the question whose answer comes behind a mutant's.
const LAST: u64 = u64::MAX;
const LIMITS: Limits = Limits {
    meta_bytes_max: META_BYTES_MAX,
    payload_bytes_max: 64 << 20,
};

const PADDED_BYTES_MAX: usize = 64 << 10;

fn frame(correlation: u64, message: &impl Outbound, payload: Vec<Bytes>) -> Vec<u8> {
    let parts = message.frame(correlation, 0, payload);
    parts.expect("a request of ours is short").concat()
}

fn hello(correlation: u64) -> Vec<u8> {
    let hello = v1::HelloRequest {
        client: "hostile".into(),
        software: "a-name-that-is-not-inlined".into(),
        ranges: Vec::new(),
    };
    frame(correlation, &hello, Vec::new())
}

/// One that is valid, longer than its header.
pub(super) fn request() -> Vec<u8> {
    hello(1)
}

fn parts() -> Vec<v1::FetchPart> {
    let part = |partition| v1::FetchPart {
        topic: [9; 16],
        partition,
        epoch: -1,
        offset: 0,
        bytes_max: 1 << 20,
    };
    (0..3).map(part).collect()
}

/// A valid request of each kind.
fn valid() -> Vec<Vec<u8>> {
    let batch = batch(Codec::None, b"value");
    let produce = v1::ProduceRequest {
        acks: -1,
        timeout_ms: 1000,
        parts: vec![v1::ProducePart {
            topic: [9; 16],
            partition: 0,
            position: 0,
            bytes: batch.len() as u32,
        }],
    };
    let fetch = v1::FetchRequest {
        wait_max_ms: 1,
        bytes_min: 1,
        bytes_max: 1 << 20,
        parts: parts(),
    };
    let subscribe = v1::SubscribeRequest {
        credit_bytes: 1 << 20,
        bytes_max: 1 << 20,
        parts: parts(),
    };
    let metadata = v1::MetadataRequest {
        topics: Some(vec!["fuzzed".into()]),
        create: false,
    };
    let create = v1::CreateTopicRequest {
        name: "fuzzed".into(),
        partitions: 1,
        replicas: 1,
        configs: Vec::new(),
        dry: true,
    };
    let list = v1::ListOffsetsRequest {
        parts: vec![v1::ListPart {
            topic: [9; 16],
            partition: 0,
            epoch: -1,
            time: -1,
        }],
    };
    let credit = v1::CreditRequest {
        subscription: 1,
        bytes: 1,
    };
    vec![
        hello(1),
        frame(
            1,
            &v2::ProduceRequest::from(produce.clone()),
            vec![batch.clone()],
        ),
        frame(1, &produce, vec![batch]),
        frame(1, &v2::FetchRequest::from(fetch.clone()), Vec::new()),
        frame(1, &fetch, Vec::new()),
        frame(1, &subscribe, Vec::new()),
        frame(1, &metadata, Vec::new()),
        frame(1, &create, Vec::new()),
        frame(1, &list, Vec::new()),
        frame(1, &credit, Vec::new()),
        frame(1, &v1::InitProducerRequest { flags: 0 }, Vec::new()),
    ]
}

/// Frames that no request is: each is refused with a close before memory is taken for it.
pub(super) fn forged() -> Vec<(&'static str, Vec<u8>)> {
    let with = |at: usize, bytes: &[u8]| {
        let mut header = request()[..HEADER_BYTES].to_vec();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        header
    };
    let mut flipped = request();
    flipped[HEADER_BYTES] ^= 1;
    vec![
        ("a native archive of 4 GiB", with(16, &[0xff; 4])),
        (
            "a native archive above 1 MiB",
            with(16, &((1u32 << 20) + 1).to_le_bytes()),
        ),
        ("a native payload of 4 GiB", with(24, &[0xff; 4])),
        (
            "a native payload above the limit",
            with(24, &(105u32 << 20).to_le_bytes()),
        ),
        ("a native root behind its archive", with(20, &[0xff; 4])),
        ("another magic", with(0, b"GE")),
        ("another frame version", with(2, &[2])),
        ("an unknown flag", with(3, &[0x80])),
        ("a flipped bit", flipped),
        (
            "HTTP at the native port",
            b"GET / HTTP/1.1\r\nHost: hostile\r\n\r\n".to_vec(),
        ),
    ]
}

/// The next frame's header; an error if the broker has closed.
async fn answer(socket: &mut Socket, left: &mut Vec<u8>) -> io::Result<Header> {
    let mut buffer = [0; 4096];
    loop {
        if let Ok(header) = Header::parse(left, LIMITS)
            && left.len() >= header.frame_bytes()
        {
            left.drain(..header.frame_bytes());
            return Ok(header);
        }
        match socket.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => left.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Sends mutants, and behind each a question that is answered if the connection still stands.
pub(super) async fn attack(port: u16, seed: u64, frames: u64) -> Result<Seen, String> {
    let mut random = Random::new(seed);
    let valid = valid();
    let mut seen = Seen::default();
    let mut socket = None;
    while seen.frames < frames {
        let (mut open, mut left) = match socket.take() {
            Some(open) => open,
            None => {
                let connected = Socket::connect(port).await;
                let connected = connected
                    .map_err(|e| format!("native frame {} of seed {seed}: {e}", seen.frames))?;
                (connected, Vec::new())
            }
        };
        let mutant = mutant(&mut random, &valid);
        seen.frames += 1;
        let asked = async {
            open.write(&mutant).await?;
            open.write(&hello(LAST)).await?;
            loop {
                let header = answer(&mut open, &mut left).await?;
                if header.correlation == LAST && header.flags & FLAG_MORE == 0 {
                    return Ok::<(), io::Error>(());
                }
            }
        };
        match timeout(ANSWER_WAIT, asked).await {
            Ok(Ok(())) => {
                seen.answered += 1;
                socket = Some((open, left));
            }
            Ok(Err(_)) => seen.closed += 1,
            Err(_) => seen.waited += 1,
        }
    }
    Ok(seen)
}

/// Most have a checksum that is right, so that what is inside is looked at.
fn mutant(random: &mut Random, valid: &[Vec<u8>]) -> Vec<u8> {
    let pick = |random: &mut Random| {
        let at = usize::try_from(random.below(valid.len() as u64)).unwrap_or(0);
        valid.get(at).map_or(&[][..], Vec::as_slice)
    };
    let (one, other) = (pick(random), pick(random));
    if random.chance(200) {
        return mutate(random, one, other);
    }
    let (head, rest) = one.split_at(one.len().min(HEADER_BYTES));
    let mut frame = [head, &mutate(random, rest, other)].concat();
    if random.chance(300) {
        let place = usize::try_from(random.below(HEADER_BYTES as u64)).unwrap_or(0);
        frame[place] ^= 1 << random.below(8);
    }
    // What is promised is sent, unless it is much: a broker that waits for the rest tells nothing.
    if let Ok(header) = Header::parse(&frame, LIMITS)
        && header.frame_bytes() <= PADDED_BYTES_MAX
    {
        frame.resize(header.frame_bytes(), 0);
    }
    let meta_bytes = frame.get(16..20).and_then(|bytes| bytes.try_into().ok());
    let meta_bytes = meta_bytes.map_or(0, u32::from_le_bytes) as usize;
    if let Some(end) = HEADER_BYTES.checked_add(meta_bytes)
        && end <= frame.len()
    {
        frame[28..32].fill(0);
        let sum = crc32c(&frame[..end]);
        frame[28..32].copy_from_slice(&sum.to_le_bytes());
    }
    frame
}
