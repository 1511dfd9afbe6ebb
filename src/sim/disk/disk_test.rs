//! What the disk keeps and what it may lose.

use std::path::Path;

use corelog_base::Random;
use corelog_rt::OpenMode;

use super::*;

fn data(page: u64, byte: u8, pages: usize) -> Data {
    Data::new(page * PAGE_BYTES as u64, &vec![byte; pages * PAGE_BYTES])
}

fn fresh() -> (Disk, Inode) {
    let mut disk = Disk::default();
    disk.create_dir_all(Path::new("/d")).unwrap();
    let file = disk.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    (disk, file)
}

/// What each page's bytes can be after power loss, over many seeds, in sectors.
fn outcomes(prepare: impl Fn(&mut Disk, Inode)) -> Vec<Vec<u8>> {
    (0..300)
        .map(|seed| {
            let (mut disk, file) = fresh();
            prepare(&mut disk, file);
            disk.power_loss(&mut Random::new(seed));
            disk.peek(Path::new("/d/f")).unwrap_or_default()
        })
        .collect()
}

#[test]
fn flushed_bytes_stay() {
    let all = outcomes(|disk, file| {
        disk.write(file, data(0, 1, 3)).unwrap();
        let upto = disk.completed(file);
        disk.flush(file, upto);
    });
    assert!(all.iter().all(|bytes| *bytes == vec![1; 3 * PAGE_BYTES]));
}

#[test]
fn unflushed_bytes_are_kept_dropped_and_torn() {
    let all = outcomes(|disk, file| {
        disk.commit(file, &data(0, 1, 2)).unwrap();
        disk.write(file, data(0, 2, 2)).unwrap();
    });
    let count = |byte: u8| {
        let whole = vec![byte; 2 * PAGE_BYTES];
        all.iter().filter(|bytes| **bytes == whole).count()
    };
    assert!(count(1) > 30 && count(2) > 30, "dropped, kept");
    assert!(count(1) + count(2) < 270, "torn");
    for bytes in &all {
        assert_eq!(bytes.len(), 2 * PAGE_BYTES);
        for sector in bytes.chunks(512) {
            assert!(
                sector == [1; 512] || sector == [2; 512],
                "sectors are whole"
            );
        }
    }
}

#[test]
fn a_later_write_may_survive_an_earlier_one() {
    let all = outcomes(|disk, file| {
        disk.commit(file, &data(0, 0, 2)).unwrap();
        disk.write(file, data(0, 1, 1)).unwrap();
        disk.write(file, data(1, 2, 1)).unwrap();
    });
    let (first, second) = (vec![0; PAGE_BYTES], vec![2; PAGE_BYTES]);
    assert!(all.contains(&[first, second].concat()));
}

#[test]
fn a_commit_keeps_its_own_bytes_only_and_they_are_not_undone() {
    let all = outcomes(|disk, file| {
        disk.write(file, data(0, 1, 2)).unwrap();
        disk.commit(file, &data(1, 2, 1)).unwrap();
    });
    for bytes in &all {
        assert_eq!(bytes.len(), 2 * PAGE_BYTES, "the length covers a commit");
        assert!(bytes[PAGE_BYTES..].iter().all(|b| *b == 2));
    }
    assert!(all.iter().any(|bytes| bytes[0] == 0));
    assert!(all.iter().any(|bytes| bytes[0] == 1));
}

#[test]
fn a_flush_covers_only_what_was_completed_before_it_began() {
    let all = outcomes(|disk, file| {
        disk.write(file, data(0, 1, 1)).unwrap();
        let upto = disk.completed(file);
        disk.write(file, data(0, 2, 1)).unwrap();
        disk.flush(file, upto);
    });
    assert!(all.iter().any(|b| b.contains(&1)), "the second is not kept");
    assert!(all.iter().all(|b| b.iter().all(|b| *b == 1 || *b == 2)));
}

#[test]
fn a_failed_flush_is_not_made_good_by_the_next() {
    let all = outcomes(|disk, file| {
        disk.commit(file, &data(0, 1, 1)).unwrap();
        disk.write(file, data(0, 2, 1)).unwrap();
        let upto = disk.completed(file);
        disk.flush_in_vain(file, upto, &mut Random::new(4));
        let upto = disk.completed(file);
        disk.flush(file, upto);
        assert_eq!(disk.read(file, 0, 1), [2], "what is read is the new");
    });
    let same = all.iter().all(|bytes| *bytes == all[0]);
    assert!(same && all[0].contains(&1), "decided by the failed flush");
}

#[test]
fn a_cut_is_durable_after_a_flush() {
    let cut = |flushed: bool| {
        outcomes(move |disk, file| {
            disk.commit(file, &data(0, 1, 2)).unwrap();
            disk.set_bytes(file, 100).unwrap();
            if flushed {
                let upto = disk.completed(file);
                disk.flush(file, upto);
            }
        })
    };
    assert!(cut(true).iter().all(|bytes| *bytes == vec![1; 100]));
    let open = cut(false);
    assert!(open.iter().any(|bytes| bytes.len() == 100));
    assert!(open.iter().any(|bytes| bytes.len() == 2 * PAGE_BYTES));
}

#[test]
fn names_are_durable_after_a_flush_of_their_folder() {
    let survives = |prepare: &dyn Fn(&mut Disk)| {
        let mut seen = [0; 4];
        for seed in 0..200 {
            let (mut disk, file) = fresh();
            disk.commit(file, &data(0, 1, 1)).unwrap();
            prepare(&mut disk);
            disk.power_loss(&mut Random::new(seed));
            let there = |name| disk.peek(Path::new(name)).is_some();
            seen[usize::from(there("/d/f")) + 2 * usize::from(there("/d/g"))] += 1;
        }
        seen
    };
    let (f, g) = (Path::new("/d/f"), Path::new("/d/g"));
    let [none, old, new, both] = survives(&|disk| disk.rename(f, g).unwrap());
    assert!(none == 0 && both == 0 && old > 0 && new > 0, "atomic");
    let flushed = survives(&|disk| {
        disk.rename(f, g).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
    });
    assert_eq!(flushed, [0, 0, 200, 0]);
    let elsewhere = survives(&|disk| {
        disk.rename(f, g).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
    });
    assert!(elsewhere[1] > 0, "another folder's flush keeps nothing");
    let removed = survives(&|disk| disk.remove_file(f).unwrap());
    assert!(removed[0] > 0 && removed[1] > 0);
}

#[test]
fn a_full_disk_writes_nothing() {
    let (mut disk, file) = fresh();
    disk.faults.capacity_bytes = Some(2 * PAGE_BYTES as u64);
    disk.write(file, data(0, 1, 2)).unwrap();
    disk.write(file, data(0, 2, 2)).unwrap();
    let error = disk.write(file, data(1, 3, 2)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(disk.read(file, 0, 3 * PAGE_BYTES), vec![2; 2 * PAGE_BYTES]);
    let error = disk.open(Path::new("/d/g"), OpenMode::CreateNew);
    assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    disk.remove_file(Path::new("/d/f")).unwrap();
    assert_eq!(disk.space().free_bytes, 2 * PAGE_BYTES as u64);
}

#[test]
fn flips_are_on_the_medium() {
    let (mut disk, file) = fresh();
    disk.commit(file, &data(0, 1, 1)).unwrap();
    disk.flip(Path::new("/d/f"), 7, 0x80);
    assert_eq!(disk.read(file, 6, 3), [1, 0x81, 1]);
    disk.power_loss(&mut Random::new(1));
    assert_eq!(disk.peek(Path::new("/d/f")).unwrap()[7], 0x81);
}
