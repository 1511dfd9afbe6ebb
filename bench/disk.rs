//! Writes that are flushed, to a file that was written before: the least that durability costs.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use crate::histogram::{self, Times};
use crate::{Error, clock};

const O_DIRECT: i32 = 0x4000;
/// Direct I/O wants memory and places that are multiples of this.
const ALIGNED_BYTES: usize = 4096;
const LARGE_BYTES: usize = 1 << 20;
const FILE_BYTES: usize = 64 << 20;

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
}
