//! Which journal belongs to which core: the one fact that decides where a record is looked for.
//!
//! A file `placement` in the data directory, JSON: `{"version":1,"epoch":E,"journals":["<16 hex
//! digits>", …],"crc32c":"<8 hex digits>"}`, one journal a core. It is replaced whole (temporary file, flush, rename, flush
//! of the folder) after every core has taken over what moves to it and before the old journals go,
//! so a kill at any moment leaves one of the two placements, whole, with its journals.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use corelog_log::JournalId;
use serde::{Deserialize, Serialize};

use crate::sealed::{seal, unseal};

pub(crate) const NAME: &str = "placement";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    epoch: u32,
    journals: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Placement {
    /// Higher at every change.
    pub(crate) epoch: u32,
    /// By core.
    pub(crate) journals: Vec<JournalId>,
}

impl Placement {
    /// The one that is committed; None at the very first start.
    ///
    /// # Errors
    /// If the file cannot be read or is not what `commit` writes.
    pub(crate) fn load(dir: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(dir.join(NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let stored: Stored = unseal(&bytes)?;
        if stored.version != VERSION {
            let why = format!("placement has version {}, not {VERSION}", stored.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let journals = stored.journals.iter().map(|text| {
            let id = u64::from_str_radix(text, 16).map(JournalId);
            id.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
        });
        Ok(Some(Self {
            epoch: stored.epoch,
            journals: journals.collect::<io::Result<_>>()?,
        }))
    }

    /// What was loaded is durable when this returns: a kill may have come between its rename and the
    /// flush of the folder, and a power loss would bring the one before back, whose journals are
    /// about to go.
    pub(crate) fn make_sure(dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    /// Durable when it returns.
    pub(crate) fn commit(&self, dir: &Path) -> io::Result<()> {
        let stored = Stored {
            version: VERSION,
            epoch: self.epoch,
            journals: self
                .journals
                .iter()
                .map(|id| format!("{:016x}", id.0))
                .collect(),
        };
        let new = dir.join(format!("{NAME}.new"));
        let mut file = File::create(&new)?;
        file.write_all(&seal(&stored)?)?;
        file.sync_all()?;
        fs::rename(&new, dir.join(NAME))?;
        File::open(dir)?.sync_all()
    }

    /// What is right for this number of cores: as before, or fresh journals under a new epoch.
    pub(crate) fn for_cores(before: Option<&Self>, cores: u16) -> Self {
        match before {
            Some(before) if before.journals.len() == usize::from(cores) => before.clone(),
            _ => Self {
                epoch: before.map_or(0, |before| before.epoch) + 1,
                journals: (0..cores)
                    .map(|_| JournalId(corelog_base::entropy()))
                    .collect(),
            },
        }
    }
}

/// The journals that are there, whatever the placement says.
pub(crate) fn journals(dir: &Path) -> io::Result<Vec<JournalId>> {
    let entries = match fs::read_dir(dir.join("journal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|n| u64::from_str_radix(n, 16).ok());
        found.extend(id.map(JournalId));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_until_the_number_of_cores_changes() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Placement::load(dir.path()).unwrap(), None);
        let first = Placement::for_cores(None, 2);
        first.commit(dir.path()).unwrap();
        let loaded = Placement::load(dir.path()).unwrap();
        assert_eq!(loaded.as_ref(), Some(&first));
        assert_eq!(Placement::for_cores(loaded.as_ref(), 2), first);
        let other = Placement::for_cores(loaded.as_ref(), 3);
        assert_eq!((other.epoch, other.journals.len()), (2, 3));
        assert!(other.journals.iter().all(|id| !first.journals.contains(id)));
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{}", "{\"version\":2,\"epoch\":1,\"journals\":[]}"] {
            fs::write(dir.path().join(NAME), text).unwrap();
            assert!(Placement::load(dir.path()).is_err(), "{text:?}");
        }
    }
}
