//! Frames: round trip, every flipped bit, and what is found in a broken one.

use super::*;
use crate::remains::find_remains;

fn head(group: u64, index: u64) -> EntryHead {
    EntryHead {
        group: GroupId(group),
        index: LogIndex(index),
        term: Term(2),
        base_offset: Offset(10 * index as i64),
        next_offset: Offset(10 * index as i64 + 10),
        placement_epoch: 1,
        payload: Payload::Entry(EntryKind::Batch),
        carried: false,
    }
}

fn build() -> Vec<u8> {
    let mut builder = Builder::new(AlignedBuf::with_capacity(4096), 0xfeed, 7);
    let (mut a, mut b) = (RowHint::default(), RowHint::default());
    builder.put(&head(1, 5), b"five", &mut a);
    builder.put(&head(2, 1), &[9; 700], &mut b);
    builder.put(&head(1, 6), b"sixth one", &mut a);
    let stamp = Stamp {
        flags: 0,
        journal: JournalId(3),
        flushed_through: 6,
        live_from: 1,
        generation_first: 1,
        continues_after: 0,
        metadata_before: MetadataBefore::at(4),
        block: 4096,
    };
    let (buf, rows) = builder.finish(&stamp);
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].first, rows[0].last), (LogIndex(5), LogIndex(6)));
    assert_eq!(rows[0].next_offset, Offset(70));
    buf.to_vec()
}

fn good(bytes: &[u8]) -> Option<Vec<(GroupId, LogIndex, Vec<u8>)>> {
    let header = parse_header(bytes)?;
    let frame = bytes.get(..header.bytes as usize)?;
    Some(
        parse_frame(frame, &header)?
            .iter()
            .map(|e| (e.head.group, e.head.index, e.data.to_vec()))
            .collect(),
    )
}

#[test]
fn round_trip() {
    let entries = good(&build()).unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1], (GroupId(2), LogIndex(1), vec![9; 700]));
    assert_eq!(entries[2].2, b"sixth one");
}

#[test]
fn every_flipped_bit_is_seen_or_harmless() {
    let bytes = build();
    let whole = good(&bytes).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            if let Some(entries) = good(&flipped) {
                assert_eq!(entries, whole, "byte {at} bit {bit}");
            } else {
                let remains = find_remains(&flipped, 0xfeed, 7, 4096);
                for entry in &remains.entries {
                    assert!(whole.iter().any(|w| w.2 == entry.data));
                }
                assert!(
                    remains.entries.len() == 3 || (remains.rows.is_some()),
                    "byte {at}: a flipped entry is named by the directory"
                );
                assert_eq!(remains.is_complete(), remains.entries.len() == 3);
            }
        }
    }
}

#[test]
fn a_cut_frame_is_not_good() {
    let bytes = build();
    for cut in 0..bytes.len() {
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        if let Some(entries) = good(&torn) {
            assert_eq!(entries.len(), 3, "only padding may be missing at {cut}");
        }
    }
}

#[test]
fn entries_of_another_generation_do_not_pass() {
    let bytes = build();
    assert!(find_remains(&bytes, 0xbeef, 7, 4096).entries.is_empty());
    assert!(find_remains(&bytes, 0xfeed, 8, 4096).entries.is_empty());
}
