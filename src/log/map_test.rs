//! Maps: what is written record by record is read back, whichever copy survives.

use super::*;
use crate::map_codec::parse_map;

const BLOCK: u32 = 4096;

fn entry(index: u64, base: i64, size: usize) -> Entry {
    let bare = index.is_multiple_of(4);
    Entry {
        index: LogIndex(index),
        term: Term(1 + index / 7),
        kind: EntryKind::from_u8(u8::from(!bare)).unwrap(),
        base_offset: Offset(base),
        next_offset: Offset(if bare { base } else { base + 1 }),
        data: Bytes::from(vec![index as u8; if bare { 5 } else { size }]),
    }
}

/// A map after each of some cycles, and its file after the last.
fn build() -> (Vec<SegmentMap>, Vec<u8>) {
    let mut map = SegmentMap::begin(GroupId(9), Position::default(), Vec::new(), TimestampMs(5));
    let (mut states, mut file, mut data) = (Vec::new(), Vec::new(), Vec::new());
    let (mut index, mut base) = (1, 0);
    for cycle in 1..=5 {
        for _ in 0..cycle * 3 {
            let entry = entry(index, base, 9_000 + cycle);
            base = entry.next_offset.0;
            if !is_bare(&entry) {
                data.extend_from_slice(&entry.data);
            }
            map.add(&entry);
            index += 1;
        }
        let end = data.len() / 4096 * 4096;
        let from = map.bytes as usize;
        map.extend(&data[from..end]);
        map.tail = Bytes::copy_from_slice(&data[end..]);
        map.checkpoint = (cycle > 2).then(|| Checkpoint {
            index: LogIndex(index),
            data: Bytes::from(vec![7; cycle]),
        });
        let encoded = map.encode_delta(BLOCK);
        assert_eq!(encoded.position, file.len() as u64);
        file.extend_from_slice(&encoded.buf);
        map.written(encoded.buf.len() as u64, encoded.position);
        states.push(map.clone());
    }
    (states, file)
}

#[test]
fn deltas_and_the_whole_give_the_same_map() {
    let (states, file) = build();
    let last = states.last().unwrap();
    let read = parse_map(&file);
    assert_eq!(read.bad_copies, Vec::<u64>::new());
    assert_eq!(read.map.as_ref(), Some(last));
    let mut whole = parse_map(&last.encode_whole(BLOCK).buf).map.unwrap();
    whole.file = last.file;
    assert_eq!(&whole, last);
}

#[test]
fn one_copy_of_each_record_is_enough_and_without_both_the_map_ends() {
    let (states, file) = build();
    let mut begin = 0;
    for (number, state) in states.iter().enumerate() {
        let end = state.file.end as usize;
        let half = (end - begin) / 2;
        for copy in 0..2 {
            let mut broken = file.clone();
            broken[begin + copy * half + 40] ^= 1;
            let read = parse_map(&broken);
            assert_eq!(
                read.map.as_ref(),
                states.last(),
                "record {number} copy {copy}"
            );
            assert_eq!(read.bad_copies, vec![(begin + copy * half) as u64]);
        }
        let mut broken = file.clone();
        broken[begin + 40] ^= 1;
        broken[begin + half + 40] ^= 1;
        let found = parse_map(&broken).map.map(|m| m.settled);
        let before = number.checked_sub(1).map(|n| states[n].settled);
        assert_eq!(found, before, "record {number}");
        begin = end;
    }
}

#[test]
fn a_cut_file_gives_an_earlier_state() {
    let (states, file) = build();
    for cut in (0..file.len()).step_by(1000) {
        let found = parse_map(&file[..cut]).map.map(|m| m.settled);
        let ends = states.iter().filter(|s| {
            let begin = s.file.end as usize;
            begin <= cut
        });
        let sure = ends.last().map(|s| s.settled);
        let index = |p: Option<Position>| p.map(|p| p.index);
        assert!(index(found) >= index(sure), "cut at {cut}");
        let known = states.iter().any(|s| Some(s.settled) == found);
        assert!(known || found.is_none(), "cut at {cut}");
    }
}

#[test]
fn chunks_name_the_damage() {
    let (states, _) = build();
    let map = states.last().unwrap();
    let first = vec![1u8; 9_001];
    assert!(!map.is_sound(0, &first));
    let range = map.offsets_in(0, CHUNK_BYTES);
    assert_eq!(range.start, Offset(0));
    let second = map.marks[1];
    assert_eq!(range.end, second.offset);
    assert_eq!(map.mark_for_offset(second.offset), Some(second));
    assert_eq!(map.mark_for_index(second.index), Some(second));
}
