//! The folder that is a program's root: resolves names in it, and converts between its paths and the host's.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{Errno, Result};

/// As many as the kernel follows in one path.
pub(super) const MOST_LINKS: usize = 40;

pub(super) struct Root {
    handle: OwnedFd,
    /// Its path on the host.
    path: Vec<u8>,
    device: u64,
}

/// A folder, and a name in it that may not exist.
pub(super) struct Place {
    pub(super) folder: OwnedFd,
    pub(super) name: Vec<u8>,
    /// The path ended with a slash: it must be a folder.
    pub(super) wants_folder: bool,
}

impl Place {
    pub(super) fn name(&self) -> &OsStr {
        OsStr::from_bytes(&self.name)
    }

    /// A handle of what exists there.
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

    /// A handle of an existing path of the program; links stay below the root.
    pub(super) fn existing(&self, path: &[u8], follows: bool) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC | if follows { OFlags::empty() } else { OFlags::NOFOLLOW };
        loop {
            // A folder is renamed meanwhile.
            match rustix::fs::openat2(&self.handle, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
                Err(Errno::AGAIN) => {}
                found => return found,
            }
        }
    }

    /// The parent folder of a path, and its last name.
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

    /// The same, after following links at the place itself.
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

    /// Whether it may be a file in the root, rather than a pipe or device of the host.
    pub(super) fn may_hold(&self, stat: &Stat) -> bool {
        stat.st_dev == self.device
    }

    /// The program's path for a path of the host; `None` if it is not below the root.
    pub(super) fn inside(&self, host: &[u8]) -> Option<Vec<u8>> {
        match host.strip_prefix(self.path.as_slice())? {
            b"" => Some(b"/".to_vec()),
            rest if rest[0] == b'/' => Some(rest.to_vec()),
            _ => None,
        }
    }
}

/// The path of a handle of this process.
pub(super) fn path_of(handle: impl AsFd) -> Result<Vec<u8>> {
    Ok(rustix::fs::readlink(name_of(&handle), Vec::new())?.into_bytes())
}

/// A path for a handle, for system calls that don't take handles without rights.
pub(super) fn name_of(handle: impl AsFd) -> String {
    format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd())
}

/// Whether a name exists in a folder, without following links.
pub(super) fn is_there(place: &Place) -> bool {
    rustix::fs::statat(&place.folder, place.name(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
}
