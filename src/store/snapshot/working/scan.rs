//! The state of a folder: enough about each name to detect any later change.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, StatxFlags};
use rustix::time::ClockId;

use crate::base::foreign::Folder;
use crate::base::io_error::{AtPath as _, IoError, check_depth};
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
    /// Skips `left_out` and what is below.
    pub(super) fn of(root: &Folder, left_out: &[&Path]) -> Result<Self, SnapshotError> {
        let mut scan = Self::default();
        scan.folder(root, Path::new(""), left_out)?;
        Ok(scan)
    }

    /// Returns only when later changes can be told from those that were seen: when a file that is changed, in a folder of
    /// the same filesystem, gets a later time than they have. Files get times of the kernel's coarse clock, so two changes
    /// in the same tick look like one. From Linux 6.13 on, some filesystems give a file a finer time once somebody has
    /// looked at the last one, and no file gets an earlier one from then on.
    pub(super) fn wait_for_later_times(&self, beside: &Path) -> Result<(), IoError> {
        let now = rustix::time::clock_gettime(ClockId::Realtime);
        let now = (now.tv_sec, now.tv_nsec as u32);
        // A clock that was set back says nothing of times that are still to come.
        let times = self.0.values().flat_map(|seen| [seen.changed, seen.born]).filter(|time| *time <= now);
        let Some(newest) = times.max() else { return Ok(()) };
        let path = beside.join("clock");
        let clock = File::create(&path).at("create", &path)?;
        std::fs::remove_file(&path).at("remove", &path)?;
        for attempt in 0u32.. {
            rustix::fs::fchmod(&clock, Mode::RUSR | Mode::WUSR).at("change", &path)?;
            let seen = rustix::fs::statx(&clock, c"", AtFlags::EMPTY_PATH, StatxFlags::CTIME).at("look at", &path)?;
            if (seen.stx_ctime.tv_sec, seen.stx_ctime.tv_nsec) > newest {
                break;
            }
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
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
