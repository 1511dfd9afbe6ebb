//! Who this node is, and that nobody else uses its data.
//!
//! `node.json` in the data directory: `{"version":1,"node_id":N,"cluster_id":"<22 characters>"}`,
//! written once, durable, and kept. `LOCK` is held by `flock` for as long as the process lives.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use corelog_base::{NodeId, Random, entropy};
use corelog_cluster::ClusterId;
use serde::{Deserialize, Serialize};

use crate::sealed::{seal, unseal};

const NAME: &str = "node.json";
const VERSION: u32 = 1;
/// The id of a node that is told none.
const NODE_ID_DEFAULT: NodeId = NodeId(1);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    node_id: i32,
    cluster_id: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
}

/// Held while the process lives.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

/// Takes the data directory for this process.
///
/// # Errors
/// Another process has it, or the file cannot be made.
pub(crate) fn lock(dir: &Path) -> Result<Lock, String> {
    let path = dir.join("LOCK");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(|e| format!("open {}: {e}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(format!(
            "{} is in use by another process: stop that one, or name another --data DIR",
            dir.display()
        )),
        Err(TryLockError::Error(e)) => Err(format!("lock {}: {e}", path.display())),
    }
}

/// Reads who this node is, or decides it at the first start.
///
/// # Errors
/// A file that is not what this writes; a `wanted` id that differs from the one that is kept.
pub(crate) fn identity(dir: &Path, wanted: Option<NodeId>) -> Result<Identity, String> {
    let path = dir.join(NAME);
    let shown = path.display();
    match fs::read(&path) {
        Ok(bytes) => {
            let found = parse(&bytes).map_err(|why| {
                format!("{shown} {why}: restore it from a copy of the data directory")
            })?;
            match wanted {
                Some(wanted) if wanted != found.node => Err(format!(
                    "{shown} says that this is node {}, not {wanted}: a node keeps its id; \
                     start a new node in a new --data DIR",
                    found.node
                )),
                _ => Ok(found),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if is_placed(dir) {
                return Err(format!(
                    "{shown} is gone, and {} is not empty: restore it from a copy of the data \
                     directory",
                    dir.display()
                ));
            }
            let made = Identity {
                node: wanted.unwrap_or(NODE_ID_DEFAULT),
                cluster: ClusterId::from_random(random()),
            };
            write(dir, &made).map_err(|e| format!("write {shown}: {e}"))?;
            Ok(made)
        }
        Err(error) => Err(format!("read {shown}: {error}")),
    }
}

/// What is wrong with the file of a node that has served, if anything.
pub(crate) fn flaw(dir: &Path) -> Option<String> {
    match fs::read(dir.join(NAME)) {
        Ok(bytes) => parse(&bytes).err(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            is_placed(dir).then(|| "is gone".to_owned())
        }
        Err(error) => Some(format!("cannot be read ({error})")),
    }
}

/// Whether a node has served from here: the placement is written last.
fn is_placed(dir: &Path) -> bool {
    dir.join(crate::placement::NAME).exists()
}

fn random() -> [u8; 16] {
    let mut bytes = [0u8; 16];
    for half in bytes.chunks_mut(8) {
        Random::new(entropy()).fill(half);
    }
    bytes
}

fn parse(bytes: &[u8]) -> Result<Identity, String> {
    let stored: Stored = unseal(bytes).map_err(|e| format!("is damaged ({e})"))?;
    if stored.version != VERSION {
        return Err(format!(
            "has version {}, and this program reads {VERSION}",
            stored.version
        ));
    }
    let cluster = stored.cluster_id.parse();
    Ok(Identity {
        node: NodeId(stored.node_id),
        cluster: cluster.map_err(|()| String::from("has no cluster id"))?,
    })
}

fn write(dir: &Path, identity: &Identity) -> io::Result<()> {
    let stored = Stored {
        version: VERSION,
        node_id: identity.node.0,
        cluster_id: identity.cluster.to_string(),
    };
    let new = dir.join("node.json.new");
    let mut file = File::create(&new)?;
    file.write_all(&seal(&stored)?)?;
    file.sync_all()?;
    fs::rename(&new, dir.join("node.json"))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decided_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = identity(dir.path(), Some(NodeId(4))).unwrap();
        assert_eq!(first.node, NodeId(4));
        assert_eq!(identity(dir.path(), None), Ok(first));
        let refused = identity(dir.path(), Some(NodeId(5))).unwrap_err();
        assert!(refused.contains("node 4, not 5"), "{refused}");
        fs::write(dir.path().join("node.json"), "{").unwrap();
        assert!(identity(dir.path(), None).unwrap_err().contains("damaged"));
    }

    #[test]
    fn one_process_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let refused = lock(dir.path()).unwrap_err();
        assert!(refused.contains("in use by another process"), "{refused}");
        drop(held);
        lock(dir.path()).unwrap();
    }
}
