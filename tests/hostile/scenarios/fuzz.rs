//! Row 20, live: mutations of valid requests against the running broker.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use corelog_base::Random;
use corelog_fuzz::{mutate, read_corpus};
use corelog_record::{BatchHeader, Codec, stamp_append_time};
use corelog_wire::kafka::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::native;
use crate::request::{FETCH, PRODUCE, batch, fetch, now, produce};
use crate::socket::frame;
use crate::stage::create_topic;
use crate::{Plan, Report, Socket, Stage};

const TOPIC: &str = "fuzzed";
const LATENCY_MAX: Duration = Duration::from_secs(3);
const ATTACKERS: u64 = 8;
/// A request that waits for records may wait long: then the connection is left.
pub(super) const ANSWER_WAIT: Duration = Duration::from_millis(300);
/// Beside what the process had: topics that mutants make, their records, and pools.
const GROWTH_MAX: u64 = 512 << 20;

/// Requests without their length, and for each a name.
type Seeds = Vec<Vec<u8>>;

/// What one attacker saw.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) frames: u64,
    pub(super) answered: u64,
    pub(super) closed: u64,
    pub(super) waited: u64,
}

/// The broker survives whatever stands in a frame, and serves others meanwhile.
///
/// # Errors
/// If the attack cannot be carried out.
pub async fn fuzz(plan: &Plan) -> Result<Report, String> {
    let settings = vec![("broker.auto.create.topics.enable", "false".into())];
    let mut stage = Stage::open(plan, "fuzz", settings).await?;
    create_topic(stage.port(), TOPIC, 4, &[("cleanup.policy", "compact")]).await?;
    let before = stage.process().memory()?.resident;
    let (seeds, apis) = seeds(stage.port()).await?;
    let frames = plan.pick(12_000, 2_000_000);
    let began = Instant::now();
    let mut attacks = JoinSet::new();
    for attacker in 0..ATTACKERS {
        let seed = plan.seed * 1000 + attacker;
        attacks.spawn(attack(
            stage.port(),
            seeds.clone(),
            seed,
            frames / ATTACKERS,
        ));
    }
    for attacker in 0..ATTACKERS / 2 {
        let seed = plan.seed * 1000 + ATTACKERS + attacker;
        let count = frames / ATTACKERS;
        attacks.spawn(native::attack(stage.native_port(), seed, count));
    }
    let mut seen = Seen::default();
    while let Some(one) = attacks.join_next().await {
        let one = one.map_err(|e| e.to_string())??;
        seen.frames += one.frames;
        seen.answered += one.answered;
        seen.closed += one.closed;
        seen.waited += one.waited;
    }
    stage.report.figure("seed", plan.seed);
    stage.report.figure("APIs", apis);
    stage.report.figure("seeds", seeds.len());
    stage.report.figure("frames", seen.frames);
    stage.report.figure("answered", seen.answered);
    stage.report.figure("closed", seen.closed);
    stage.report.figure("left", seen.waited);
    stage
        .report
        .figure("took", format_args!("{:.1?}", began.elapsed()));
    stage.report.require(
        seen.answered > 0 && seen.closed > 0,
        "mutants of one kind only",
    );
    stage.judge_memory(before + GROWTH_MAX)?;
    stage.judge(LATENCY_MAX);
    stage.close().await
}

/// Every version of every API that the broker names, from the corpus of the codec, and requests
/// that find something; how many APIs there are.
async fn seeds(port: u16) -> Result<(Seeds, usize), String> {
    let failed = |e: io::Error| format!("ask for versions: {e}");
    let mut socket = Socket::connect(port).await.map_err(failed)?;
    let body = socket.ask(0, &ApiVersionsRequest::default()).await;
    let body = body.map_err(failed)?;
    let served = ApiVersionsResponse::decode(0, &body);
    let served = served.map_err(|e| format!("ask for versions: {e}"))?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/wire/corpus");
    let mut seeds = Seeds::new();
    for api in served.api_keys.iter() {
        let key = ApiKey::of(api.api_key).ok_or("an API without a name")?;
        let bodies: BTreeMap<i16, Vec<u8>> =
            read_corpus(&folder.join(format!("{key:?}Request.hex")))
                .into_iter()
                .filter_map(|seed| Some((seed.label.parse().ok()?, seed.bytes)))
                .collect();
        for (version, body) in bodies {
            if (api.min_version..=api.max_version).contains(&version) {
                seeds.push(request(key, version, body.get(1..).unwrap_or_default()));
            }
        }
    }
    let apis = served.api_keys.len();
    match seeds.len() < apis {
        true => Err(format!("{} seeds for {apis} APIs", seeds.len())),
        false => Ok((seeds, apis)),
    }
}

fn request(key: ApiKey, version: i16, body: &[u8]) -> Vec<u8> {
    let mut bytes = key.number().to_be_bytes().to_vec();
    bytes.extend(version.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 1, b'f']);
    if key.is_flexible(version) {
        bytes.push(0);
    }
    bytes.extend_from_slice(body);
    bytes
}

async fn attack(port: u16, seeds: Seeds, seed: u64, frames: u64) -> Result<Seen, String> {
    let mut random = Random::new(seed);
    let mut seen = Seen::default();
    let mut socket = None;
    while seen.frames < frames {
        let mut open = match socket.take() {
            Some(open) => open,
            None => {
                let connected = Socket::connect(port).await;
                connected.map_err(|e| format!("frame {} of seed {seed}: {e}", seen.frames))?
            }
        };
        let mutant = mutant(&mut random, &seeds);
        seen.frames += 1;
        let asked = async {
            open.write(&mutant).await?;
            // Its answer comes behind the mutant's, if there is one.
            open.write(&frame(0, 0x7fff_0000, &ApiVersionsRequest::default()))
                .await?;
            loop {
                match open.frame().await? {
                    None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                    Some(frame) if frame.starts_with(&0x7fff_0000u32.to_be_bytes()) => {
                        return Ok(());
                    }
                    Some(_) => {}
                }
            }
        };
        match timeout(ANSWER_WAIT, asked).await {
            Ok(Ok(())) => {
                seen.answered += 1;
                socket = Some(open);
            }
            Ok(Err(_)) => seen.closed += 1,
            Err(_) => seen.waited += 1,
        }
    }
    Ok(seen)
}

/// A frame whose length is right, so that what is inside is looked at.
fn mutant(random: &mut Random, seeds: &Seeds) -> Vec<u8> {
    let pick = |random: &mut Random| {
        let at = usize::try_from(random.below(seeds.len() as u64)).unwrap_or(0);
        seeds.get(at).map_or(&[][..], Vec::as_slice)
    };
    let bytes = match random.below(10) {
        0 | 1 => return frame(PRODUCE, 1, &produce(TOPIC, 0, mutated_batch(random))),
        2 => {
            let valid = frame(FETCH, 1, &fetch(TOPIC, 0, 0, 1 << 20));
            let other = pick(random);
            mutate(random, valid.get(4..).unwrap_or_default(), other)
        }
        3 => {
            let valid = frame(PRODUCE, 1, &produce(TOPIC, 1, batch(Codec::None, b"value")));
            let other = pick(random);
            mutate(random, valid.get(4..).unwrap_or_default(), other)
        }
        // The header stays, so that the body is reached.
        4..=7 => {
            let one = pick(random);
            let (head, body) = one.split_at(one.len().min(11));
            let other = pick(random);
            [head, &mutate(random, body, other)].concat()
        }
        _ => {
            let (one, other) = (pick(random), pick(random));
            mutate(random, one, other)
        }
    };
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    [&length.to_be_bytes()[..], &bytes].concat()
}

/// Records, header or both are changed, and the checksum is right again most of the time.
fn mutated_batch(random: &mut Random) -> Bytes {
    let codecs = Codec::ALL;
    let at = usize::try_from(random.below(codecs.len() as u64)).unwrap_or(0);
    let valid = batch(
        codecs[at],
        b"a value that is compressed, compressed, compressed",
    );
    let mut bytes = BytesMut::from(&mutate(random, &valid, &valid)[..]);
    if random.chance(800) && bytes.len() > BatchHeader::BYTES {
        let length = u32::try_from(bytes.len() - 12).unwrap_or(0);
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        if BatchHeader::parse(&bytes).is_ok() {
            stamp_append_time(&mut bytes, now());
        }
    }
    bytes.freeze()
}
