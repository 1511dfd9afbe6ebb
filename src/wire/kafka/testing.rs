//! Random messages, made from the tables: every field that a version has, at random.

use bytes::Bytes;
use corelog_base::{Random, TopicId};

use super::{Array, Encoder, ErrorCode, Message, Nullable, Records, Value, Version};

/// A random value that can be said at a version; fields that it lacks have their defaults.
pub(crate) trait Arbitrary<'a>: Sized {
    fn arbitrary(random: &mut Random, version: Version) -> Self;
}

macro_rules! arbitrary_field {
    ($random:expr, $version:expr) => {
        $crate::kafka::testing::Arbitrary::arbitrary($random, $version)
    };
    ($random:expr, $version:expr, $nulls:pat) => {
        $crate::kafka::testing::maybe_null($random, $version, matches!($version.number, $nulls))
    };
}
pub(crate) use arbitrary_field;

pub(crate) fn maybe_null<'a, T: Nullable<'a> + Arbitrary<'a>>(
    random: &mut Random,
    version: Version,
    nullable: bool,
) -> Option<T> {
    (!nullable || random.chance(700)).then(|| T::arbitrary(random, version))
}

macro_rules! integer {
    ($type:ident) => {
        impl Arbitrary<'_> for $type {
            fn arbitrary(random: &mut Random, _: Version) -> Self {
                match random.below(6) {
                    0 => 0,
                    1 => -1,
                    2 => $type::MIN,
                    3 => $type::MAX,
                    _ => random.next_u64() as $type,
                }
            }
        }
    };
}

integer!(i8);
integer!(i16);
integer!(i32);
integer!(i64);

impl Arbitrary<'_> for u16 {
    fn arbitrary(random: &mut Random, _: Version) -> Self {
        random.next_u64() as u16
    }
}

impl Arbitrary<'_> for f64 {
    fn arbitrary(random: &mut Random, version: Version) -> Self {
        f64::from(i32::arbitrary(random, version)) / 4.0
    }
}

impl Arbitrary<'_> for bool {
    fn arbitrary(random: &mut Random, _: Version) -> Self {
        random.chance(500)
    }
}

impl Arbitrary<'_> for ErrorCode {
    fn arbitrary(random: &mut Random, version: Version) -> Self {
        ErrorCode(i16::arbitrary(random, version))
    }
}

impl Arbitrary<'_> for TopicId {
    fn arbitrary(random: &mut Random, _: Version) -> Self {
        let mut id = TopicId::ZERO;
        if random.chance(800) {
            random.fill(&mut id.0);
        }
        id
    }
}

/// More bytes than one byte of a varint can say.
const LONG: &str = "a name whose length needs two bytes when it is said compactly, which is so \
    from one hundred and twenty-seven bytes on, and this one has some more than those to say it";

impl Arbitrary<'_> for &str {
    fn arbitrary(random: &mut Random, _: Version) -> Self {
        const TEXTS: [&str; 6] = ["", "a", "orders", "äöü€𝄞", "__consumer_offsets", LONG];
        TEXTS[random.below(TEXTS.len() as u64) as usize]
    }
}

impl Arbitrary<'_> for &[u8] {
    fn arbitrary(random: &mut Random, version: Version) -> Self {
        const OTHER: &[u8] = b"\x00\x01\xff\"\\ \n quoted \x80";
        match random.below(4) {
            0 => OTHER,
            _ => <&str>::arbitrary(random, version).as_bytes(),
        }
    }
}

impl Arbitrary<'_> for Records<'_> {
    fn arbitrary(random: &mut Random, _: Version) -> Self {
        let mut part = || {
            let mut bytes = vec![0; random.below(300) as usize];
            random.fill(&mut bytes);
            Bytes::from(bytes)
        };
        let parts = vec![part(), part()];
        match random.below(5) {
            0 => Records::Null,
            1 => Records::EMPTY,
            2 => parts.into(),
            _ => Records::Part(parts.concat().into()),
        }
    }
}

impl<'a, T: Value<'a> + Arbitrary<'a>> Arbitrary<'a> for Array<'a, T> {
    fn arbitrary(random: &mut Random, version: Version) -> Self {
        let count = match random.below(40) {
            // A count of two bytes, where elements are small.
            0 if T::WIDTH > 0 => 200,
            n => n % 3,
        };
        (0..count).map(|_| T::arbitrary(random, version)).collect()
    }
}

/// A body as one piece.
pub(crate) fn encode<'a>(message: &impl Message<'a>, version: i16) -> Vec<u8> {
    let mut encoder = Encoder::body();
    message.encode(version, &mut encoder);
    concat(encoder)
}

pub(crate) fn concat(encoder: Encoder) -> Vec<u8> {
    let bytes = encoder.bytes();
    let parts = encoder.finish().expect("the message can be said");
    let whole = parts.concat();
    assert_eq!(whole.len(), bytes, "the encoder knows its length");
    whole
}

/// A random message at a version.
pub(crate) fn random<'a, M: Message<'a> + Arbitrary<'a>>(random: &mut Random, number: i16) -> M {
    let flexible = M::API.is_flexible(number);
    M::arbitrary(random, Version { number, flexible })
}
