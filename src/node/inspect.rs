//! The node's own files of a stopped node, looked at and not changed.

use std::io;
use std::path::{Path, PathBuf};

use corelog_log::JournalId;

use crate::identity;
use crate::placement::{self, Placement};

/// One of the node's own files that keeps it from starting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Flaw {
    pub(crate) path: PathBuf,
    /// In words, lower case.
    pub(crate) what: String,
}

/// What is wrong with `node.json` and `placement`; a directory in which no node has served has no
/// flaws.
///
/// # Errors
/// If the directory cannot be listed.
pub(crate) fn inspect(dir: &Path) -> io::Result<Vec<Flaw>> {
    let mut flaws = Vec::new();
    if let Some(what) = identity::flaw(dir) {
        let path = dir.join("node.json");
        flaws.push(Flaw { path, what });
    }
    let present = placement::journals(dir)?;
    let path = dir.join(placement::NAME);
    match Placement::load(dir) {
        Err(error) => flaws.push(Flaw {
            path,
            what: format!("is damaged ({error})"),
        }),
        Ok(Some(placement)) => {
            let is_lost = |id: &&JournalId| !present.contains(id);
            flaws.extend(placement.journals.iter().filter(is_lost).map(|id| Flaw {
                path: dir.join("journal").join(format!("{:016x}", id.0)),
                what: "is gone".to_owned(),
            }));
        }
        // A first start may have been killed.
        Ok(None) => {}
    }
    Ok(flaws)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(change: impl Fn(&Path), expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        identity::identity(dir.path(), None).unwrap();
        let placement = Placement::for_cores(None, 1);
        let journal = format!("journal/{:016x}", placement.journals[0].0);
        fs::create_dir_all(dir.path().join(journal)).unwrap();
        placement.commit(dir.path()).unwrap();
        change(dir.path());
        let flaws = inspect(dir.path()).unwrap();
        let names: Vec<_> = flaws
            .iter()
            .map(|flaw| flaw.path.strip_prefix(dir.path()).unwrap())
            .map(|path| path.to_str().unwrap().split('/').next().unwrap())
            .collect();
        assert_eq!(names, expected);
        let refused = identity::identity(dir.path(), None).is_err();
        assert_eq!(refused, expected.contains(&"node.json"));
    }

    #[test]
    fn what_is_damaged_or_gone_is_named() {
        check(|_| (), &[]);
        for name in ["node.json", "placement"] {
            check(|dir| fs::write(dir.join(name), "{}").unwrap(), &[name]);
        }
        check(
            |dir| fs::remove_file(dir.join("node.json")).unwrap(),
            &["node.json"],
        );
        check(
            |dir| fs::remove_dir_all(dir.join("journal")).unwrap(),
            &["journal"],
        );
    }

    #[test]
    fn an_empty_directory_has_no_flaws() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(inspect(dir.path()).unwrap(), vec![]);
    }
}
