//! How large everything is and which journals are whose: what the workloads' nodes share at their
//! start.

use std::io;
use std::path::Path;

use corelog_base::{CoreId, GroupId};
use corelog_cluster::core_of;
use corelog_log::{
    BulkOptions, Error, JournalId, JournalOptions, Options, Scan, Share, retire, scan,
};
use corelog_rt::Runtime;
use corelog_sim::SimRuntime;

pub(crate) const DIR: &str = "/data";

/// All so small that a short run fills journals, caches and budgets, and goes around the journal.
pub(crate) fn small_options() -> Options {
    Options {
        dir: DIR.into(),
        journal: JournalOptions {
            file_bytes: 1 << 20,
            files_max: 4,
            prewrite_bytes: 256 << 10,
            ..JournalOptions::default()
        },
        tail_cache_bytes_max: 128 << 10,
        unsettled_bytes_max: 2 << 20,
        block_cache_bytes_max: 256 << 10,
        disk_reserve_bytes: 1 << 20,
        settle_bytes: 64 << 10,
        bulk: BulkOptions {
            entry_bytes_min: 256,
            bytes_ahead_min: 1 << 10,
            ..BulkOptions::default()
        },
        compaction_bytes_max: 4 << 10,
        segment_files_max: 16,
    }
}

/// By core.
#[derive(Clone, Default)]
pub(crate) struct Placement {
    epoch: u32,
    journals: Vec<JournalId>,
    moved: bool,
}

impl Placement {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = u64::from(self.epoch).to_le_bytes().to_vec();
        for journal in &self.journals {
            bytes.extend(journal.0.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        assert!(
            rest.is_empty() && !words.is_empty(),
            "a small file is whole"
        );
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        Self {
            epoch: words.next().unwrap_or(0) as u32,
            journals: words.map(JournalId).collect(),
            moved: false,
        }
    }

    async fn read(rt: &SimRuntime) -> io::Result<Self> {
        match rt.read_small(&Path::new(DIR).join("placement")).await {
            Ok(bytes) => Ok(Self::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// The same journals for the same number of cores, else fresh ones.
    fn for_cores(self, rt: &SimRuntime, cores: u16) -> Self {
        if self.journals.len() == usize::from(cores) {
            return self;
        }
        Self {
            epoch: self.epoch + 1,
            journals: (0..cores).map(|_| JournalId(rt.random())).collect(),
            moved: true,
        }
    }

    /// Each core's part of what the scan found.
    pub(crate) fn share_out(&self, scan: Scan) -> Vec<Share> {
        let cores = self.journals.len() as u16;
        scan.share_out(&self.journals, self.epoch, |group| {
            owner(group.group, cores)
        })
    }

    /// Once every core's log is open.
    pub(crate) async fn commit(&self, rt: &SimRuntime) -> Result<(), Failed> {
        if self.moved {
            let path = Path::new(DIR).join("placement");
            rt.write_small(&path, self.encode()).await?;
            retire(rt, Path::new(DIR), &self.journals).await?;
        }
        Ok(())
    }
}

pub(crate) fn owner(group: GroupId, cores: u16) -> CoreId {
    core_of(group, cores)
}

/// Why a node did not start; only a disk with faults may give one.
#[derive(Debug)]
pub(crate) enum Failed {
    Log(Error),
    Io(io::Error),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failed::Log(error) => error.fmt(f),
            Failed::Io(error) => error.fmt(f),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Log(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed::Io(error)
    }
}

/// Makes the data directory, reads the placement that was committed, and scans its journals.
pub(crate) async fn find(rt: &SimRuntime, cores: u16) -> Result<(Placement, Scan), Failed> {
    let dir = Path::new(DIR);
    rt.create_dir_all(dir).await?;
    rt.sync_dir(Path::new("/")).await?;
    let old = Placement::read(rt).await?;
    // A kill may have come between its rename and the flush of the folder.
    rt.sync_dir(dir).await?;
    retire(rt, dir, &old.journals).await?;
    let found = scan(rt, dir, &old.journals).await?;
    Ok((old.for_cores(rt, cores), found))
}
