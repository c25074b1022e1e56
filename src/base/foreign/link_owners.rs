//! Who owns the links and FIFOs of a folder that programs work in, where owners are recorded: neither has attributes to
//! record it in, and to be what they are they must stay what they are.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::base::io_error::{AtPath as _, IoError};

type Owners = HashMap<u64, (u32, u32)>;

/// By inode, of those that are not root's.
#[derive(Debug, Default)]
pub struct LinkOwners {
    owners: Owners,
    /// What was changed here.
    changed: HashSet<u64>,
}

impl LinkOwners {
    /// Those of the folder, which are kept in a file beside it.
    pub fn of(folder: &Path) -> Result<Self, IoError> {
        Ok(Self { owners: read(&path(folder))?, changed: HashSet::new() })
    }

    /// Adds what was changed here to the file. Others of the folder's programs may do that, too.
    pub fn write(&self, folder: &Path) -> Result<(), IoError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let (path, new) = (path(folder), folder.with_extension("links.new"));
        let around = folder.parent().unwrap_or(folder);
        let lock = File::open(around).at("open", around)?;
        flock(&lock, FlockOperation::LockExclusive).at("lock", around)?;
        let mut owners = read(&path)?;
        for inode in &self.changed {
            match self.owners.get(inode) {
                Some(owner) => owners.insert(*inode, *owner),
                None => owners.remove(inode),
            };
        }
        let lines = owners.iter().map(|(inode, (uid, gid))| format!("{inode} {uid} {gid}\n"));
        std::fs::write(&new, lines.collect::<String>()).at("write", &new)?;
        std::fs::rename(&new, &path).at("rename", &new)
    }

    /// User and group of the link with that inode.
    pub fn get(&self, inode: u64) -> Option<(u32, u32)> {
        self.owners.get(&inode).copied()
    }

    /// Records the owner of a link.
    pub fn set(&mut self, inode: u64, owner: (u32, u32)) {
        let before = match owner {
            (0, 0) => self.owners.remove(&inode),
            owner => self.owners.insert(inode, owner),
        };
        if before.unwrap_or_default() != owner {
            self.changed.insert(inode);
        }
    }

    /// The last name of the link is gone.
    pub fn forget(&mut self, inode: u64) {
        self.set(inode, (0, 0));
    }

    /// Whether no link has another owner.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }
}

fn read(path: &Path) -> Result<Owners, IoError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.at("read", path)?,
    };
    let owner = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.parse().ok()?, (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
    };
    Ok(text.lines().filter_map(owner).collect())
}

fn path(folder: &Path) -> PathBuf {
    folder.with_extension("links")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_add_to_one_file() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("root");
        let mut first = LinkOwners::of(&folder).unwrap();
        first.set(1, (5, 6));
        first.set(2, (7, 8));
        first.write(&folder).unwrap();
        let (mut one, mut other) = (LinkOwners::of(&folder).unwrap(), LinkOwners::of(&folder).unwrap());
        one.set(3, (9, 9));
        other.forget(1);
        one.write(&folder).unwrap();
        other.write(&folder).unwrap();
        let both = LinkOwners::of(&folder).unwrap();
        assert_eq!([1, 2, 3].map(|inode| both.get(inode)), [None, Some((7, 8)), Some((9, 9))]);
    }
}
