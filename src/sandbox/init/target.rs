//! Places in the root filesystem that something is mounted on: found within it only, and made when they are missing.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;

use super::{Doing, Result};
use crate::sandbox::channel::CreatedMountPoint;

/// The mount points of one root filesystem.
pub(in crate::sandbox) struct MountPoints<'a> {
    root: &'a OwnedFd,
    /// The device of the root filesystem, which tells it from what is mounted in it.
    device: u64,
    pub(in crate::sandbox) created: Vec<CreatedMountPoint>,
    numbers: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::sandbox) enum PointKind {
    Directory,
    File,
}

impl<'a> MountPoints<'a> {
    pub(in crate::sandbox) fn new(root: &'a OwnedFd) -> Result<Self> {
        let device = fstat(root).doing("look at", "the root filesystem")?.st_dev;
        Ok(Self { root, device, created: Vec::new(), numbers: 0 })
    }

    /// Another number each time, for names in the staging area.
    pub(super) fn next_number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// A handle of the place; makes it, and what is missing above it.
    pub(in crate::sandbox) fn open(&mut self, path: &Path, kind: PointKind) -> Result<OwnedFd> {
        match open(self.root, path) {
            Err(Errno::NOENT) => self.make(path, kind),
            found => found.doing("open the mount point", path),
        }
    }

    /// Makes a folder and what is missing above it, and gives what was made.
    pub(in crate::sandbox) fn make_directory(root: &'a OwnedFd, path: &Path) -> Result<Vec<CreatedMountPoint>> {
        let mut points = Self::new(root)?;
        points.open(path, PointKind::Directory)?;
        Ok(points.created)
    }

    fn make(&mut self, path: &Path, kind: PointKind) -> Result<OwnedFd> {
        let names: Vec<&OsStr> = path
            .components()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(name),
                Component::ParentDir => Some(OsStr::new("..")),
                _ => None,
            })
            .collect();
        let mut walked = PathBuf::new();
        let mut parent = open(self.root, Path::new(".")).doing("open", "the root filesystem")?;
        for (index, name) in names.iter().enumerate() {
            walked.push(name);
            let step_kind = if index + 1 == names.len() { kind } else { PointKind::Directory };
            parent = match open(self.root, &walked) {
                Err(Errno::NOENT) => self.make_one(&parent, name, step_kind, &walked)?,
                found => found.doing("open the mount point", &walked)?,
            };
        }
        Ok(parent)
    }

    fn make_one(&mut self, parent: &OwnedFd, name: &OsStr, kind: PointKind, walked: &Path) -> Result<OwnedFd> {
        let before = fstat(parent).doing("look at the folder of", walked)?;
        match kind {
            PointKind::Directory => rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)),
            PointKind::File => {
                let mode = Mode::from_raw_mode(0o755);
                rustix::fs::mknodat(parent, name, FileType::RegularFile, mode, 0)
            }
        }
        .doing("create the mount point", walked)?;
        if before.st_dev == self.device {
            self.created.push(CreatedMountPoint {
                path: self.path_of(parent)?.join(name),
                is_directory: kind == PointKind::Directory,
                parent_modified: (before.st_mtime, before.st_mtime_nsec as u32),
            });
        }
        open(self.root, walked).doing("open the mount point", walked)
    }

    /// Where a handle is, links on the way resolved, relative to the root filesystem.
    fn path_of(&self, handle: &OwnedFd) -> Result<PathBuf> {
        let read = |fd: &OwnedFd| {
            let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(fd));
            std::fs::read_link(&link).doing("read", &link)
        };
        let (root, path) = (read(self.root)?, read(handle)?);
        Ok(path.strip_prefix(&root).unwrap_or(&path).to_owned())
    }
}

/// A handle of a path, for which symbolic links and `..` never lead out of the root.
pub(super) fn open(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    open_with(root, path, OFlags::PATH | OFlags::CLOEXEC)
}

pub(super) fn open_with(root: &OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    // The root itself is asked for by `.`, as an empty path is none.
    let path: OsString = if path.as_os_str().is_empty() { ".".into() } else { path.into() };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(root, &path, flags, Mode::empty(), resolve) {
            // Something was renamed or mounted meanwhile (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Whether a handle is of a folder.
pub(super) fn is_directory(handle: &OwnedFd) -> rustix::io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(handle)?.st_mode) == FileType::Directory)
}
