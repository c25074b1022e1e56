//! A program's credentials, and what they allow it to do with files.

use std::rc::Rc;

use rustix::fs::{FileType, Stat};

/// Users and groups: the real, effective, saved and filesystem ID.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    pub(super) uid: [u32; 4],
    pub(super) gid: [u32; 4],
    pub(super) groups: Rc<[u32]>,
}

pub(super) const REAL: usize = 0;
pub(super) const EFFECTIVE: usize = 1;
pub(super) const SAVED: usize = 2;
pub(super) const OF_FILES: usize = 3;

impl Credentials {
    pub(super) fn of_root() -> Self {
        Self { uid: [0; 4], gid: [0; 4], groups: Rc::new([]) }
    }

    /// Root has docker's default capabilities, and nobody else has any.
    pub(super) fn is_root(&self) -> bool {
        self.uid[EFFECTIVE] == 0
    }

    /// Whether file modes are ignored, except for executing.
    pub(super) fn overrides_modes(&self) -> bool {
        self.uid[OF_FILES] == 0
    }

    pub(super) fn is_in(&self, group: u32) -> bool {
        self.gid[OF_FILES] == group || self.groups.contains(&group)
    }

    pub(super) fn owns(&self, stat: &Stat) -> bool {
        self.overrides_modes() || stat.st_uid == self.uid[OF_FILES]
    }

    /// Whether the mode allows all of `wanted`: 4 to read, 2 to write, 1 to execute or search.
    pub(super) fn may(&self, stat: &Stat, wanted: u32) -> bool {
        let mode = stat.st_mode;
        if self.overrides_modes() {
            let is_folder = FileType::from_raw_mode(mode) == FileType::Directory;
            return wanted & 1 == 0 || is_folder || mode & 0o111 != 0;
        }
        let shift = match () {
            () if stat.st_uid == self.uid[OF_FILES] => 6,
            () if self.is_in(stat.st_gid) => 3,
            () => 0,
        };
        mode >> shift & wanted == wanted
    }
}
