//! Cleans up a checkout: removes git's own files, and sets modes and times that depend only on the repository. Its
//! content is untrusted, so it is accessed by handles.

use std::ffi::OsStr;

use rustix::fs::{FileType, Timespec, Timestamps};

use crate::base::foreign::Folder;
use crate::base::io_error::{IoError, check_depth};

/// git's folder in a repository, and its file in a submodule.
const GIT: &str = ".git";
const FOLDER: u32 = 0o755;
const PROGRAM: u32 = 0o755;
const FILE: u32 = 0o644;
const OWNER_EXECUTES: u32 = 0o100;
const MODE: u32 = 0o7777;

pub(super) struct Tidy {
    /// Keeps git's own files.
    pub(super) keeps_git_dir: bool,
    /// The time of all files, in seconds since 1970.
    pub(super) time: Option<i64>,
}

impl Tidy {
    /// Cleans up the folder and everything below it.
    pub(super) fn all(&self, folder: &Folder) -> Result<(), IoError> {
        use std::os::unix::ffi::OsStrExt as _;
        check_depth(folder.shown().as_os_str().as_bytes())?;
        for name in folder.names()? {
            if !self.keeps_git_dir && name == GIT {
                folder.remove_all(&name)?;
                continue;
            }
            self.one(folder, &name)?;
        }
        // Last, because changes inside the folder change it.
        folder.set_own_mode(FOLDER)?;
        self.times().map_or(Ok(()), |times| folder.set_own_times(&times))
    }

    fn one(&self, folder: &Folder, name: &OsStr) -> Result<(), IoError> {
        let handle = folder.handle(name)?;
        let stat = handle.stat()?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.all(&handle.folder()?),
            FileType::RegularFile => {
                let mode = if stat.st_mode & OWNER_EXECUTES != 0 { PROGRAM } else { FILE };
                if stat.st_mode & MODE != mode {
                    handle.set_mode(mode)?;
                }
            }
            // A link has no mode, and git makes nothing else.
            _ => {}
        }
        self.times().map_or(Ok(()), |times| folder.set_times(name, &times))
    }

    fn times(&self) -> Option<Timestamps> {
        let time = Timespec { tv_sec: self.time?, tv_nsec: 0 };
        Some(Timestamps { last_access: time, last_modification: time })
    }
}
