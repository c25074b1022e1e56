//! What programs find in every working root: `/dev` with the devices that every program may use, and an empty `/proc`
//! and `/sys`.

use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::{FileType, makedev};

use super::WorkingRoot;
use crate::base::foreign::Folder;
use crate::base::io_error::IoError;
use crate::store::snapshot::SnapshotError;

/// Changes there do not count.
const STANDARD: [&str; 3] = ["dev", "proc", "sys"];

/// The devices that every program may use, with their numbers.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

impl WorkingRoot {
    /// Creates them, for one program.
    pub fn place_standard(&mut self) -> Result<(), SnapshotError> {
        for name in STANDARD {
            if self.tree()?.root().stat(OsStr::new(name))?.is_none() {
                self.missing.push(name);
            }
            self.place_folder(Path::new(name), (0o755, 0, 0))?;
        }
        Ok(make_devices(&self.tree()?.root().folder(OsStr::new("dev"))?)?)
    }
}

fn make_devices(folder: &Folder) -> Result<(), IoError> {
    for (name, major, minor) in DEVICES {
        let name = OsStr::new(name);
        folder.make_node(name, FileType::CharacterDevice, 0o666, makedev(major, minor))?;
        folder.set_mode(name, 0o666)?;
    }
    for (name, target) in LINKS {
        folder.make_link(OsStr::new(name), Path::new(target))?;
    }
    for (name, mode) in [("shm", 0o1777), ("mqueue", 0o1777), ("pts", 0o755)] {
        folder.made_folder(OsStr::new(name), mode)?;
    }
    Ok(())
}
