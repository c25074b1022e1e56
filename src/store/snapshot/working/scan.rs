//! The state of a folder: enough about each name to detect any later change.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::time::ClockId;

use crate::base::foreign::Folder;
use crate::base::io_error::{AtPath as _, check_depth};
use crate::store::snapshot::SnapshotError;

/// Programs can't set a file's ctime, and it moves with every change of the file, its attributes and its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) kind: FileType,
    inode: u64,
    /// An inode number may be reused, but the new file then has a later birth time.
    born: (i64, u32),
    changed: (i64, u32),
    pub(super) names: u32,
}

impl Seen {
    /// Whether it is the same file or folder, changed or not.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.kind, self.inode, self.born) == (other.kind, other.inode, other.born)
    }

    pub(super) fn inode(&self) -> u64 {
        self.inode
    }
}

/// By path, folders before what is in them.
#[derive(Debug, Default)]
pub struct Scan(pub(super) BTreeMap<PathBuf, Seen>);

impl Scan {
    /// Skips `left_out` and what is below. Returns only when later changes can be told from earlier ones.
    pub(super) fn of(root: &Folder, left_out: &[&Path]) -> Result<Self, SnapshotError> {
        let mut scan = Self::default();
        scan.folder(root, Path::new(""), left_out)?;
        // Files get timestamps of the kernel's coarse clock: two changes in the same tick look like one.
        let now = rustix::time::clock_gettime(ClockId::RealtimeCoarse);
        while rustix::time::clock_gettime(ClockId::RealtimeCoarse) == now {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(scan)
    }

    /// The first path of such a thing, from the root down.
    pub(super) fn find(&self, is_it: impl Fn(&Seen) -> bool) -> Option<PathBuf> {
        self.0.iter().find(|(_, seen)| is_it(seen)).map(|(path, _)| path.clone())
    }

    /// Forgets `path` and what was in it.
    pub(super) fn forget(&mut self, path: &Path) {
        self.0.retain(|seen, _| !seen.starts_with(path));
    }

    fn folder(&mut self, folder: &Folder, path: &Path, left_out: &[&Path]) -> Result<(), SnapshotError> {
        for name in folder.names()? {
            let inside = path.join(&name);
            if left_out.contains(&inside.as_path()) {
                continue;
            }
            check_depth(inside.as_os_str().as_bytes())?;
            let seen = look(folder, &name).at("look at", &inside)?;
            self.0.insert(inside.clone(), seen);
            if seen.kind == FileType::Directory {
                self.folder(&folder.folder(&name)?, &inside, left_out)?;
            }
        }
        Ok(())
    }
}

fn look(folder: &Folder, name: &OsStr) -> rustix::io::Result<Seen> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let found = rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, wanted)?;
    Ok(Seen {
        kind: FileType::from_raw_mode(found.stx_mode.into()),
        inode: found.stx_ino,
        born: (found.stx_btime.tv_sec, found.stx_btime.tv_nsec),
        changed: (found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
        names: found.stx_nlink,
    })
}
