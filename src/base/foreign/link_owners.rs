//! Who owns the links and FIFOs of a folder that programs work in, where owners are recorded: neither has attributes to
//! record it in, and to be what they are they must stay what they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::base::io_error::{AtPath as _, IoError};

/// By inode, of those that are not root's.
#[derive(Debug, Default)]
pub struct LinkOwners(HashMap<u64, (u32, u32)>);

impl LinkOwners {
    /// Those of the folder, which are kept in a file beside it.
    pub fn of(folder: &Path) -> Result<Self, IoError> {
        let path = Self::path(folder);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.at("read", &path)?,
        };
        let owner = |line: &str| {
            let mut words = line.split(' ');
            Some((words.next()?.parse().ok()?, (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
        };
        Ok(Self(text.lines().filter_map(owner).collect()))
    }

    pub fn write(&self, folder: &Path) -> Result<(), IoError> {
        let path = Self::path(folder);
        let lines = self.0.iter().map(|(inode, (uid, gid))| format!("{inode} {uid} {gid}\n"));
        std::fs::write(&path, lines.collect::<String>()).at("write", &path)
    }

    pub fn get(&self, inode: u64) -> Option<(u32, u32)> {
        self.0.get(&inode).copied()
    }

    pub fn set(&mut self, inode: u64, owner: (u32, u32)) {
        match owner {
            (0, 0) => self.0.remove(&inode),
            owner => self.0.insert(inode, owner),
        };
    }

    /// The last name of the link is gone.
    pub fn forget(&mut self, inode: u64) {
        self.0.remove(&inode);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn path(folder: &Path) -> PathBuf {
        folder.with_extension("links")
    }
}
