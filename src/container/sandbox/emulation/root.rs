//! The folder that a program takes for the root: its names, and what the host calls them.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{Errno, Result};

/// As many as the kernel follows in one path.
const MOST_LINKS: usize = 40;

pub(super) struct Root {
    handle: OwnedFd,
    /// As the host has it.
    path: Vec<u8>,
    device: u64,
}

/// A folder, and a name in it that may be new.
pub(super) struct Place {
    pub(super) folder: OwnedFd,
    pub(super) name: Vec<u8>,
    /// The path ended with a slash: only a folder will do.
    pub(super) wants_folder: bool,
}

impl Place {
    pub(super) fn name(&self) -> &OsStr {
        OsStr::from_bytes(&self.name)
    }

    /// What there is.
    pub(super) fn handle(&self) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.folder, self.name(), flags, Mode::empty())
    }

    pub(super) fn link(&self) -> Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.folder, self.name(), Vec::new())?.into_bytes())
    }
}

impl Root {
    pub(super) fn new(handle: OwnedFd) -> Result<Self> {
        let (path, device) = (path_of(&handle)?, rustix::fs::fstat(&handle)?.st_dev);
        Ok(Self { handle, path, device })
    }

    /// What is at a path of the program's, whose links stay below the root.
    pub(super) fn existing(&self, path: &[u8], follows: bool) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC | if follows { OFlags::empty() } else { OFlags::NOFOLLOW };
        loop {
            // Somebody renames a folder meanwhile.
            match rustix::fs::openat2(&self.handle, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
                Err(Errno::AGAIN) => {}
                found => return found,
            }
        }
    }

    /// The folder of a path's last name, and that name.
    pub(super) fn place(&self, path: &[u8]) -> Result<Place> {
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let start = path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let name = path[start..end].to_vec();
        if name.is_empty() || name == b"." || name == b".." {
            self.existing(path, true)?;
            return Err(Errno::EXIST);
        }
        let folder = self.existing(if start == 0 { b"/" } else { &path[..start] }, true)?;
        if FileType::from_raw_mode(rustix::fs::fstat(&folder)?.st_mode) != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        Ok(Place { folder, name, wants_folder: end < path.len() })
    }

    /// The same, after the links that are at the place itself.
    pub(super) fn place_behind_links(&self, path: &[u8]) -> Result<Place> {
        let mut path = path.to_vec();
        for _ in 0..MOST_LINKS {
            let place = self.place(&path)?;
            let Ok(target) = place.link() else { return Ok(place) };
            path = match target.first() {
                Some(b'/') => target,
                _ => [&self.inside(&path_of(&place.folder)?).ok_or(Errno::NOENT)?, b"/".as_slice(), &target].concat(),
            };
        }
        Err(Errno::LOOP)
    }

    /// Whether it may be a file of the root's, and no pipe or device of the host's.
    pub(super) fn may_hold(&self, stat: &Stat) -> bool {
        stat.st_dev == self.device
    }

    /// What the program calls a path of the host's; nothing where it is not below the root.
    pub(super) fn inside(&self, host: &[u8]) -> Option<Vec<u8>> {
        match host.strip_prefix(self.path.as_slice())? {
            b"" => Some(b"/".to_vec()),
            rest if rest[0] == b'/' => Some(rest.to_vec()),
            _ => None,
        }
    }
}

/// Where a handle of this process's is.
pub(super) fn path_of(handle: impl AsFd) -> Result<Vec<u8>> {
    Ok(rustix::fs::readlink(name_of(&handle), Vec::new())?.into_bytes())
}

/// A path of a handle, for system calls that take no handle without rights.
pub(super) fn name_of(handle: impl AsFd) -> String {
    format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd())
}

/// What there is at a name in a folder, links not followed.
pub(super) fn is_there(place: &Place) -> bool {
    rustix::fs::statat(&place.folder, place.name(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
}
