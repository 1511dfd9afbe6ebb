//! Layouts that are frozen, and bytes that are not what they claim to be.

use bytes::Bytes;
use corelog_base::Random;
use rkyv::Archive;

use super::v1::*;
use super::*;
use crate::ErrorKind;

const LIMITS: Limits = Limits {
    meta_bytes_max: META_BYTES_MAX,
    payload_bytes_max: 1 << 20,
};

pub(super) fn joined(parts: &[Bytes]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn meta_of(frame: &[u8]) -> Result<Meta, crate::Error> {
    Meta::of(Header::parse(frame, LIMITS)?, frame)
}

/// What an archive is laid out as on every machine.
#[test]
fn sizes_and_alignments_are_frozen() {
    macro_rules! sizes {
        ($($type:ty),*) => {[$((size_of::<<$type as Archive>::Archived>(), align_of::<<$type as Archive>::Archived>())),*]};
    }
    let found = sizes!(
        HelloRequest,
        HelloResponse,
        Topic,
        Partition,
        ProduceRequest,
        ProducePart,
        Produced,
        v2::Produced,
        FetchRequest,
        FetchPart,
        Fetched,
        SubscribeRequest,
        Sent,
        ListPart,
        Listed
    );
    assert_eq!(
        found,
        [
            (24, 4),
            (72, 4),
            (36, 4),
            (16, 4),
            (16, 4),
            (28, 4),
            (16, 8),
            (32, 8),
            (20, 4),
            (40, 8),
            (32, 8),
            (24, 8),
            (40, 8),
            (32, 8),
            (32, 8)
        ]
    );
}

fn produce_frame() -> Vec<u8> {
    let part = |position| ProducePart {
        topic: [9; 16],
        partition: 1,
        position,
        bytes: 5,
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        parts: vec![part(0), part(5)],
    };
    joined(&encode(7, 0, &request, vec![Bytes::from_static(b"batchbatch")]).unwrap())
}

#[test]
fn every_flipped_bit_of_header_and_meta_is_found() {
    let frame = produce_frame();
    let header = Header::parse(&frame, LIMITS).unwrap();
    for bit in 0..(HEADER_BYTES + header.meta_bytes as usize) * 8 {
        let mut bad = frame.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(meta_of(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn lengths_beyond_the_limits_are_refused_by_the_header_alone() {
    let frame = produce_frame();
    for (at, claimed) in [
        (16, META_BYTES_MAX + 1),
        (20, u32::MAX),
        (24, (1 << 20) + 1),
    ] {
        let mut bad = frame[..HEADER_BYTES].to_vec();
        bad[at..at + 4].copy_from_slice(&claimed.to_le_bytes());
        assert_eq!(
            Header::parse(&bad, LIMITS).unwrap_err().kind,
            ErrorKind::Length
        );
    }
    let kind = |bytes: &[u8]| Header::parse(bytes, LIMITS).unwrap_err().kind;
    assert_eq!(kind(&frame[..31]), ErrorKind::Truncated);
    for (at, byte) in [(0, 0), (2, 2), (3, 4)] {
        let mut bad = frame.clone();
        bad[at] = byte;
        assert_eq!(kind(&bad), ErrorKind::Version);
    }
}

/// Archives whose checksum is right and whose content is anything: validated or refused, and what
/// is validated may be walked to its end.
#[test]
fn an_archive_of_garbage_is_refused_or_harmless() {
    let mut random = Random::new(11);
    let (mut refused, mut read) = (0, 0);
    let frame = produce_frame();
    let header = Header::parse(&frame, LIMITS).unwrap();
    let meta = &frame[HEADER_BYTES..HEADER_BYTES + header.meta_bytes as usize];
    for _ in 0..200_000 {
        let mut bad = meta.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bad.len() as u64) as usize;
            bad[at] = random.next_u64() as u8;
        }
        let root = match random.chance(100) {
            true => random.below(bad.len() as u64 + 1) as u32,
            false => header.root,
        };
        let sealed = Header::seal(0, (6, 1), 7, (&bad, root), 0);
        let sealed = Header::parse(&sealed, LIMITS).unwrap();
        let whole = [&[0; HEADER_BYTES][..], &bad].concat();
        let meta = Meta::of(sealed, &whole).unwrap();
        match meta.read::<ProduceRequest>() {
            Ok(request) => {
                read += 1;
                assert!(request.parts.len() * size_of::<ArchivedProducePart>() <= bad.len());
                let places = request.parts.iter().map(|part| Place {
                    position: part.position.to_native(),
                    bytes: part.bytes.to_native(),
                });
                let _ = check_places(places, 10);
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind, ErrorKind::Archive);
            }
        }
    }
    assert!(refused > 1000 && read > 1000, "{refused} {read}");
}
