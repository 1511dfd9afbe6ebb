//! Mutations of the corpus, whose files are named by the type; a seed is labelled by its i16.

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use corelog_base::Random;
use corelog_fuzz::{Fuzz, Seed, hex, measure, read_corpus};

use super::super::oracle_fields::fields;
use super::super::testing::Arbitrary;
use super::stored::{encode, with_stored};
use super::*;

fn corpus(name: &str) -> Vec<Seed> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    read_corpus(&folder.join(format!("{name}.hex")))
}

fn random<'a, T: Stored<'a> + Arbitrary<'a>>(random: &mut Random, first: i16) -> T {
    T::arbitrary(random, T::layout(first).expect("it is written so"))
}

/// Reads bytes, walks all by writing them again, and reads that.
macro_rules! read_and_write {
    ($name:ident, $input:expr) => {
        let (decoded, usage) = measure(|| $name::decode($input));
        assert_eq!(
            usage.allocations, 0,
            "decoding borrows, whatever it is given"
        );
        if let Ok(value) = decoded {
            let first = i16::from_be_bytes([$input[0], $input[1]]);
            let known = $name::FIRST;
            let written = encode(&value, first.clamp(*known.start(), *known.end()))
                .expect("what was read can be said");
            let again = $name::decode(&written).expect("what was written is read");
            assert_eq!(again, value);
        }
    };
}

macro_rules! check_corpus {
    ($name:ident, $missing:ident) => {
        let seeds = corpus(stringify!($name));
        let mut random_numbers = Random::new(1);
        for first in $name::FIRST {
            let label = first.to_string();
            let mut seen = seeds.iter().filter(|seed| seed.label == label).peekable();
            if seen.peek().is_none() {
                let candidates = (0..20).map(|_| {
                    let value: $name = random(&mut random_numbers, first);
                    encode(&value, first).expect("it can be said")
                });
                let bytes = candidates.filter(|b| b.len() < 400).max_by_key(Bytes::len);
                let line = hex(&bytes.unwrap_or_default());
                $missing.push(format!("{}.hex: {label} {line}", stringify!($name)));
            }
            for seed in seen {
                let value = $name::decode(&seed.bytes).expect("it is a seed");
                assert_eq!(encode(&value, first).expect("it can be said"), seed.bytes);
            }
        }
    };
}

macro_rules! fuzz_all {
    ($($name:ident $(<$lt:lifetime>)?;)*) => {
        /// Also the frozen form of every version: its seeds are read and written as they are.
        #[test]
        fn corpus_has_every_version() {
            let mut missing = Vec::new();
            $(check_corpus! { $name, missing })*
            assert!(missing.is_empty(), "the corpus lacks:\n{}", missing.join("\n"));
        }

        #[test]
        fn mutations() {
            let names = [$(stringify!($name)),*];
            let fuzz = Fuzz::from_env(names.len() as u32);
            $(
                let name = stringify!($name);
                let seeds = corpus(name);
                let runs = fuzz.run(name, &seeds, |input| { read_and_write!($name, input); });
                assert!(runs > seeds.len() as u64, "{name}: {runs} runs");
            )*
        }
    };
}

with_stored!(fuzz_all);

/// The only ones that the `kafka-protocol` crate has; it leaves the i16 to its caller.
macro_rules! compare {
    ($name:ident) => {
        use kafka_protocol::messages::$name as Theirs;
        use kafka_protocol::protocol::{Decodable, Encodable};
        for (first, seed) in $name::FIRST.flat_map(|first| (0..60).map(move |seed| (first, seed))) {
            let value: $name = random(&mut Random::new(seed), first);
            let ours = encode(&value, first).expect("it can be said");
            let mut unread = ours.slice(2..);
            let read = Theirs::decode(&mut unread, first).expect("it is read");
            assert!(unread.is_empty());
            let mut written = BytesMut::new();
            read.encode(&mut written, first).expect("it is written");
            assert_eq!(ours[2..], written, "{first} {seed}");
            assert_eq!(fields(&value), fields(&read), "{first} {seed}");
            assert_eq!($name::decode(&ours), Ok(value));
        }
    };
}

#[test]
fn subscriptions_as_the_oracle() {
    compare!(ConsumerProtocolSubscription);
}

#[test]
fn assignments_as_the_oracle() {
    compare!(ConsumerProtocolAssignment);
}
