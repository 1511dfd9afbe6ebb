//! Mutations of the corpus: no decoder panics, takes much memory, or reads what it can't write.
//!
//! The corpus is one file a message, one line a seed: its version, then the body behind one byte
//! of that version. A message in one version is one decoder.

use std::path::PathBuf;

use corelog_base::Random;
use corelog_fuzz::{Fuzz, Seed, hex, read_corpus};

use super::api::with_apis;
use super::testing::{encode, random};
use super::*;

#[global_allocator]
static ALLOCATOR: corelog_fuzz::Counting = corelog_fuzz::Counting;

fn corpus(name: &str) -> Vec<Seed> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    read_corpus(&folder.join(format!("{name}.hex")))
}

/// Each version of a message is a decoder: reads it, walks all of it by writing it again, and reads
/// that.
macro_rules! read_and_write {
    ($name:ident, $fuzz:expr) => {
        let seeds = corpus(stringify!($name));
        for version in <$name as Message>::API.versions() {
            let own: Vec<Seed> = bodies(&seeds, version).collect();
            let name = format!("{} {version}", stringify!($name));
            assert!(!own.is_empty(), "{name} has no seed");
            let runs = $fuzz.run(&name, &own, |body| {
                let (decoded, usage) = corelog_fuzz::measure(|| $name::decode(version, body));
                assert_eq!(
                    usage.allocations, 0,
                    "decoding borrows, whatever it is given"
                );
                if let Ok(message) = decoded {
                    let mut encoder = Encoder::body();
                    message.encode(version, &mut encoder);
                    let written = encoder
                        .finish()
                        .expect("what was read can be said")
                        .concat();
                    let again = $name::decode(version, &written).expect("what was written is read");
                    // A number that is none equals nothing, itself included; its text does.
                    if again != message {
                        assert_eq!(format!("{again:?}"), format!("{message:?}"));
                    }
                }
            });
            assert!(runs > own.len() as u64, "{name}: {runs} runs");
        }
    };
}

/// The seeds of a version, without it.
fn bodies(seeds: &[Seed], version: i16) -> impl Iterator<Item = Seed> {
    let own = move |seed: &&Seed| seed.bytes.first().is_some_and(|v| i16::from(*v) == version);
    seeds.iter().filter(own).map(|seed| Seed {
        label: seed.label.clone(),
        bytes: seed.bytes[1..].to_vec(),
    })
}

macro_rules! check_corpus {
    ($name:ident, $missing:ident) => {
        let seeds = corpus(stringify!($name));
        let mut random_numbers = Random::new(1);
        for version in <$name as Message>::API.versions() {
            let label = version.to_string();
            let with_version = |body: &[u8]| [&[version as u8], body].concat();
            let mut seen = seeds.iter().filter(|seed| seed.label == label).peekable();
            if seen.peek().is_none() {
                // Not a large one, but one with something in it.
                let bodies = (0..20).map(|_| {
                    let message: $name = random(&mut random_numbers, version);
                    encode(&message, version)
                });
                let body = bodies.filter(|b| b.len() < 400).max_by_key(Vec::len);
                let line = hex(&with_version(&body.unwrap_or_default()));
                $missing.push(format!("{}.hex: {label} {line}", stringify!($name)));
            }
            for seed in seen {
                let message = $name::decode(version, &seed.bytes[1..]).expect("it is a seed");
                assert_eq!(with_version(&encode(&message, version)), seed.bytes);
            }
        }
    };
}

macro_rules! fuzz_all {
    ($($name:ident = $number:literal, $versions:expr, flexible $flexible:expr,
        $request:ident $(<$rl:lifetime>)?, $response:ident $(<$sl:lifetime>)?;)*) => {
        /// Also the frozen form of every version: its seeds are read and written as they are.
        #[test]
        fn corpus_has_every_version() {
            let mut missing = Vec::new();
            $(check_corpus! { $request, missing })*
            $(check_corpus! { $response, missing })*
            assert!(missing.is_empty(), "the corpus lacks:\n{}", missing.join("\n"));
        }

        #[test]
        fn requests() {
            let fuzz = Fuzz::from_env(versions());
            $(read_and_write! { $request, fuzz })*
        }

        #[test]
        fn responses() {
            let fuzz = Fuzz::from_env(versions());
            $(read_and_write! { $response, fuzz })*
        }
    };
}

/// Of all APIs together.
fn versions() -> u32 {
    let each = ApiKey::ALL.iter().map(|api| api.versions().count() as u32);
    each.sum()
}

with_apis!(fuzz_all);

#[test]
fn headers() {
    let fuzz = Fuzz::from_env(2);
    let seeds = corpus("RequestHeader");
    assert!(!seeds.is_empty());
    fuzz.run("RequestHeader", &seeds, |input| {
        if let Ok((header, body)) = RequestHeader::decode(input) {
            assert!(body.len() <= input.len());
            let mut encoder = Encoder::body();
            header.encode(&mut encoder);
            let written = encoder
                .finish()
                .expect("what was read can be said")
                .concat();
            let (again, _) = RequestHeader::decode(&written).expect("what was written is read");
            assert_eq!(again, header);
        }
    });
    let seeds = corpus("ResponseHeader");
    assert!(!seeds.is_empty());
    fuzz.run("ResponseHeader", &seeds, |input| {
        for key in [ApiKey::ApiVersions, ApiKey::Produce] {
            for version in key.versions() {
                if let Ok((_, body)) = ResponseHeader::decode(key, version, input) {
                    assert!(body.len() + 4 <= input.len());
                }
            }
        }
    });
}
