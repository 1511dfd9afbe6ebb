//! Changes that decoders of lengths and counts stumble over.

use corelog_base::Random;

/// Inputs stay small: a decoder's mistakes are in lengths, not in bulk.
const INPUT_BYTES_MAX: usize = 4096;

/// Values at the edges of lengths and counts, big-endian and as variable-length integers.
const EDGES: [&[u8]; 12] = [
    &[0x00],
    &[0xff],
    &[0x80],
    &[0x7f, 0xff],
    &[0x80, 0x00],
    &[0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x80, 0x00, 0x00, 0x00],
    &[0x00, 0x10, 0x00, 0x00],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
];

/// One to four changes of `input`; `other` lends pieces.
pub fn mutate(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        change(random, &mut bytes, other);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = index(random, bytes.len() + 1);
    let end = at + index(random, (bytes.len() - at).min(16) + 1);
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let piece = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        3 => {
            let from = index(random, other.len() + 1);
            drop(bytes.splice(at.., other[from..].iter().copied()));
        }
        4 => {
            let mut piece = vec![0; index(random, 9)];
            random.fill(&mut piece);
            drop(bytes.splice(at..end, piece));
        }
        5 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        6 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = byte.wrapping_add(if random.chance(500) { 1 } else { 0xff });
            }
        }
        _ => {
            let edge = EDGES[index(random, EDGES.len())];
            let end = (at + edge.len()).min(bytes.len());
            drop(bytes.splice(at..end, edge.iter().copied()));
        }
    }
}

fn index(random: &mut Random, bound: usize) -> usize {
    random.below(bound as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_inputs_stay_bounded() {
        let run = |seed| {
            let mut random = Random::new(seed);
            let mut bytes = b"some input".to_vec();
            for _ in 0..2000 {
                let other = bytes.clone();
                bytes = mutate(&mut random, &bytes, &other);
                assert!(bytes.len() <= INPUT_BYTES_MAX);
            }
            bytes
        };
        assert_eq!(run(7), run(7));
    }
}
