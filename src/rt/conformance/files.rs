//! Direct files, folders and small files.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::{Harness, beside, pattern, soon};
use crate::{AlignedBuf, DirEntry, File, OpenMode, Runtime};

/// A buffer with these bytes, padded with zeros to whole blocks.
fn filled(bytes: &[u8], alignment: u32) -> AlignedBuf {
    let mut buf = AlignedBuf::with_capacity(bytes.len().next_multiple_of(alignment as usize));
    buf.extend_from_slice(bytes);
    buf.pad_to(alignment as usize);
    buf
}

async fn written<F: File>(file: &F, bytes: &[u8], position: u64) {
    let (result, _) = file.write(filled(bytes, file.alignment()), position).await;
    result.unwrap();
}

async fn content<F: File>(file: &F, position: u64, room: usize) -> Vec<u8> {
    let (result, buf) = file.read(AlignedBuf::with_capacity(room), position).await;
    assert_eq!(result.unwrap() as usize, buf.len());
    buf.to_vec()
}

pub fn files_keep_what_is_written<H: Harness>(harness: &H) {
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let path = folder.join("kept");
        let folder = folder.clone();
        async move {
            rt.create_dir_all(&folder).await.unwrap();
            let file = rt.open(&path, OpenMode::CreateNew).await.unwrap();
            let unit = file.alignment();
            assert!(unit >= 4096 && unit.is_power_of_two());
            assert_eq!(file.bytes().await.unwrap(), 0);
            let (first, second) = (pattern(1, 3 << 20), pattern(2, 5 * unit as usize));
            let (result, buf) = file.commit(filled(&first, unit), 0).await;
            result.unwrap();
            assert!(*buf == first[..], "the buffer comes back as it was");
            let (result, _) = file.write(filled(&second, unit), u64::from(unit)).await;
            result.unwrap();
            file.clone().sync_data().await.unwrap();
            file.sync_all().await.unwrap();
            rt.sync_dir(&folder).await.unwrap();
            let (result, _) = file.commit(AlignedBuf::with_capacity(1), 0).await;
            result.unwrap();
            drop(file);
            let file = rt.open(&path, OpenMode::Read).await.unwrap();
            assert_eq!(file.bytes().await.unwrap(), 3 << 20);
            let back = content(&file, 0, 3 << 20).await;
            let unit = unit as usize;
            assert!(back[..unit] == first[..unit]);
            assert!(back[unit..6 * unit] == second[..]);
            assert!(back[6 * unit..] == first[6 * unit..]);
        }
    });
}

pub fn reads_end_at_the_end_of_the_file<H: Harness>(harness: &H) {
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let folder = folder.clone();
        async move {
            rt.create_dir_all(&folder).await.unwrap();
            let path = folder.join("short");
            let file = rt.open(&path, OpenMode::CreateNew).await.unwrap();
            let unit = file.alignment() as usize;
            assert!(content(&file, 0, unit).await.is_empty());
            let bytes = pattern(3, 2 * unit);
            written(&file, &bytes, 0).await;
            assert!(content(&file, 0, 4 * unit).await == bytes[..]);
            assert!(content(&file, unit as u64, 4 * unit).await == bytes[unit..]);
            assert!(content(&file, 2 * unit as u64, unit).await.is_empty());
            assert!(content(&file, 200 * unit as u64, unit).await.is_empty());
            file.set_len(unit as u64 + 100).await.unwrap();
            assert!(content(&file, 0, 4 * unit).await == bytes[..unit + 100]);
            assert!(content(&file, unit as u64, unit).await == bytes[unit..unit + 100]);
        }
    });
}

pub fn files_change_their_length<H: Harness>(harness: &H) {
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let folder = folder.clone();
        async move {
            rt.create_dir_all(&folder).await.unwrap();
            let path = folder.join("length");
            let file = rt.open(&path, OpenMode::CreateNew).await.unwrap();
            let unit = file.alignment() as usize;
            let bytes = pattern(4, unit);
            written(&file, &bytes, 0).await;
            file.set_len(100).await.unwrap();
            assert_eq!(file.bytes().await.unwrap(), 100);
            file.set_len(2 * unit as u64).await.unwrap();
            let back = content(&file, 0, 2 * unit).await;
            assert_eq!(back.len(), 2 * unit);
            assert!(back[..100] == bytes[..100]);
            assert!(back[100..].iter().all(|b| *b == 0), "what was cut is gone");
            // A write beyond the end leaves zeros between.
            written(&file, &bytes, 4 * unit as u64).await;
            assert_eq!(file.bytes().await.unwrap(), 5 * unit as u64);
            let gap = content(&file, 2 * unit as u64, 2 * unit).await;
            assert!(gap.len() == 2 * unit && gap.iter().all(|b| *b == 0));
        }
    });
}

pub fn opening_keeps_its_promises<H: Harness>(harness: &H) {
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let folder = folder.clone();
        async move {
            rt.create_dir_all(&folder).await.unwrap();
            let path = folder.join("opened");
            for mode in [OpenMode::Read, OpenMode::ReadWrite] {
                let missing = rt.open(&path, mode).await.err().unwrap();
                assert_eq!(missing.kind(), ErrorKind::NotFound);
            }
            let file = rt.open(&path, OpenMode::CreateNew).await.unwrap();
            let bytes = pattern(5, file.alignment() as usize);
            written(&file, &bytes, 0).await;
            let exists = rt.open(&path, OpenMode::CreateNew).await.err().unwrap();
            assert_eq!(exists.kind(), ErrorKind::AlreadyExists);
            // A second handle sees the same file; once the first is gone, also for writing.
            let other = rt.open(&path, OpenMode::Read).await.unwrap();
            assert!(content(&other, 0, bytes.len()).await == bytes[..]);
            written(&file, &pattern(6, bytes.len()), 0).await;
            let back = content(&other, 0, bytes.len()).await;
            assert!(back == pattern(6, bytes.len())[..]);
            drop(file);
            let file = rt.open(&path, OpenMode::ReadWrite).await.unwrap();
            // Open while its name goes away.
            rt.remove_file(&path).await.unwrap();
            assert!(content(&file, 0, bytes.len()).await == back);
        }
    });
}

pub fn names_come_and_go<H: Harness>(harness: &H) {
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let root = folder.join("names");
        async move {
            let missing = rt.read_dir(&root).await.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
            rt.create_dir_all(&root.join("b/c")).await.unwrap();
            rt.create_dir_all(&root.join("b/c")).await.unwrap();
            let one = rt
                .open(&root.join("one"), OpenMode::CreateNew)
                .await
                .unwrap();
            written(&one, &pattern(7, 4096), 0).await;
            let bytes = one.bytes().await.unwrap();
            rt.write_small(&root.join("a"), vec![1, 2, 3])
                .await
                .unwrap();
            let entry = |name: &str, is_dir, bytes| DirEntry {
                name: PathBuf::from(name),
                is_dir,
                bytes,
            };
            let mut listed = rt.read_dir(&root).await.unwrap();
            for folder in listed.iter_mut().filter(|e| e.is_dir) {
                // What a folder's length means is the file system's business.
                folder.bytes = 0;
            }
            let expected = [
                entry("a", false, 3),
                entry("b", true, 0),
                entry("one", false, bytes),
            ];
            assert_eq!(listed, expected);
            // Renaming replaces, and an open file follows its new name.
            rt.rename(&root.join("one"), &root.join("a")).await.unwrap();
            rt.sync_dir(&root).await.unwrap();
            assert_eq!(one.bytes().await.unwrap(), bytes);
            let listed = rt.read_dir(&root).await.unwrap();
            let names: Vec<_> = listed.iter().map(|e| e.name.clone()).collect();
            assert_eq!(names, [PathBuf::from("a"), PathBuf::from("b")]);
            assert_eq!(listed[0].bytes, bytes);
            let missing = rt.rename(&root.join("one"), &root.join("x")).await;
            assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
            let missing = rt.remove_file(&root.join("one")).await;
            assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
            rt.remove_dir_all(&root).await.unwrap();
            rt.remove_dir_all(&root).await.unwrap();
            let missing = rt.read_dir(&root).await.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
        }
    });
}

pub fn small_files_are_replaced<H: Harness>(harness: &H) {
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let folder = folder.join("small");
        async move {
            let path = folder.join("file");
            let missing = rt.write_small(&path, vec![1]).await.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
            rt.create_dir_all(&folder).await.unwrap();
            let missing = rt.read_small(&path).await.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
            for count in [5000, 10, 0] {
                let bytes = pattern(count as u64, count).to_vec();
                rt.write_small(&path, bytes.clone()).await.unwrap();
                assert!(rt.read_small(&path).await.unwrap() == bytes);
            }
            assert_eq!(rt.read_dir(&folder).await.unwrap().len(), 1, "no leftovers");
            let space = rt.space(&folder).await.unwrap();
            assert!(space.free_bytes > 0 && space.free_bytes <= space.total_bytes);
        }
    });
}

pub fn many_file_operations_at_once<H: Harness>(harness: &H) {
    const COUNT: u64 = 600;
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let folder = folder.clone();
        async move {
            rt.create_dir_all(&folder).await.unwrap();
            let path = folder.join("many");
            let file = rt.open(&path, OpenMode::CreateNew).await.unwrap();
            let unit = file.alignment();
            let writes: Vec<_> = (0..COUNT)
                .map(|n| {
                    let buf = filled(&pattern(n, unit as usize), unit);
                    beside(&rt, file.write(buf, n * u64::from(unit)))
                })
                .collect();
            for write in writes {
                soon(&rt, write).await.0.unwrap();
            }
            let commits: Vec<_> = (0..COUNT / 10)
                .map(|n| {
                    let buf = filled(&pattern(n + COUNT, unit as usize), unit);
                    beside(&rt, file.commit(buf, n * 10 * u64::from(unit)))
                })
                .collect();
            for commit in commits {
                soon(&rt, commit).await.0.unwrap();
            }
            let reads: Vec<_> = (0..COUNT)
                .map(|n| {
                    let buf = AlignedBuf::with_capacity(unit as usize);
                    beside(&rt, file.read(buf, n * u64::from(unit)))
                })
                .collect();
            for (n, read) in (0..).zip(reads) {
                let (result, buf) = soon(&rt, read).await;
                assert_eq!(result.unwrap(), unit);
                let seed = if n % 10 == 0 { n / 10 + COUNT } else { n };
                assert!(*buf == pattern(seed, unit as usize)[..]);
            }
        }
    });
}
