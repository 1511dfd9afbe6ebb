//! Writes that are flushed, to a file that was written before: the least that durability costs. And
//! reads of it that go past the page cache.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use crate::histogram::{self, Times, times};
use crate::{Error, clock};

const O_DIRECT: i32 = 0x4000;
/// Direct I/O wants memory and places that are multiples of this.
const ALIGNED_BYTES: usize = 4096;
const LARGE_BYTES: usize = 1 << 20;
const FILE_BYTES: usize = 64 << 20;
/// Enough for the disk to have something to do at any time.
const READERS: usize = 4;

/// A file without a name, so that nothing is left of it.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    memory: Vec<u8>,
    aligned: usize,
}

impl Disk {
    /// # Errors
    /// `Io`, also where the file system does no direct I/O.
    pub(crate) fn prewrite(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(".bench.floor");
        let failed = || Error::io(format!("write and flush {} directly", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        options.custom_flags(O_DIRECT);
        let file = options.open(&path).map_err(failed())?;
        std::fs::remove_file(&path).map_err(failed())?;
        let memory = vec![0x5a; LARGE_BYTES + ALIGNED_BYTES];
        let aligned = memory.as_ptr().align_offset(ALIGNED_BYTES);
        let disk = Self {
            file,
            memory,
            aligned,
        };
        for place in (0..FILE_BYTES).step_by(LARGE_BYTES) {
            let written = disk
                .file
                .write_all_at(disk.block(LARGE_BYTES), place as u64);
            written.map_err(failed())?;
        }
        disk.file.sync_all().map_err(failed())?;
        Ok(disk)
    }

    fn block(&self, bytes: usize) -> &[u8] {
        &self.memory[self.aligned..self.aligned + bytes]
    }

    /// Writes and flushes one block after the other. `bytes` is 4 KiB to 1 MiB, a multiple of 4 KiB.
    pub(crate) fn flushes(
        &self,
        bytes: usize,
        count: usize,
        times: &mut Times,
    ) -> Result<Duration, Error> {
        let begin = clock::now();
        for n in 0..count {
            let start = clock::now();
            let place = (n * bytes % FILE_BYTES) as u64;
            let written = self.file.write_all_at(self.block(bytes), place);
            written
                .and_then(|()| self.file.sync_data())
                .map_err(Error::io("write and flush a block"))?;
            histogram::record(times, clock::now().since(start));
        }
        Ok(clock::now().since(begin))
    }

    /// Reads `count` blocks of 1 MiB directly, `READERS` at a time.
    pub(crate) fn reads(&self, count: usize, all: &mut Times) -> Result<Duration, Error> {
        let begin = clock::now();
        let read = |reader: usize| -> std::io::Result<Times> {
            let mut mine = times();
            let mut memory = vec![0; LARGE_BYTES + ALIGNED_BYTES];
            let aligned = memory.as_ptr().align_offset(ALIGNED_BYTES);
            let block = &mut memory[aligned..aligned + LARGE_BYTES];
            for n in (reader..count).step_by(READERS) {
                let start = clock::now();
                let place = (n * LARGE_BYTES % FILE_BYTES) as u64;
                self.file.read_exact_at(block, place)?;
                histogram::record(&mut mine, clock::now().since(start));
            }
            Ok(mine)
        };
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS)
                .map(|reader| scope.spawn(move || read(reader)))
                .collect();
            for reader in readers {
                let mine = reader.join().expect("a reader panicked");
                let mine = mine.map_err(Error::io("read a block directly"))?;
                all.add(&mine).expect("the same bounds");
            }
            Ok::<(), Error>(())
        })?;
        Ok(clock::now().since(begin))
    }
}
