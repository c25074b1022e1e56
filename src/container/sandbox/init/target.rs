//! Mount points in the root filesystem: resolved only within it, and created if they are missing.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;

use super::doing::{Doing, Result, message};
use super::kernel_files::{self, FileSystem};
use crate::base::foreign::{Links, open_at};
use crate::container::sandbox::channel::CreatedMountPoint;

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// The mount points of a root filesystem.
pub(in crate::container::sandbox) struct MountPoints<'a> {
    root: &'a OwnedFd,
    /// The device of the root filesystem, which distinguishes it from mounts in it.
    device: u64,
    /// The overlayfs upper folder, where created files end up.
    upper: Option<&'a OwnedFd>,
    pub(in crate::container::sandbox) created: Vec<CreatedMountPoint>,
    numbers: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::container::sandbox) enum PointKind {
    Directory,
    File,
}

impl<'a> MountPoints<'a> {
    pub(in crate::container::sandbox) fn new(root: &'a OwnedFd) -> Result<Self> {
        let device = fstat(root).doing("look at", "the root filesystem")?.st_dev;
        Ok(Self { root, device, upper: None, created: Vec::new(), numbers: 0 })
    }

    /// Also identifies created mount points by their inodes in this folder.
    pub(in crate::container::sandbox) fn kept_in(self, upper: Option<&'a OwnedFd>) -> Self {
        Self { upper, ..self }
    }

    /// A new number each time, for names in the staging area.
    pub(super) fn next_number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// A handle of the path; it and its missing parents are created.
    pub(in crate::container::sandbox) fn open(&mut self, path: &Path, kind: PointKind) -> Result<OwnedFd> {
        match open(self.root, path) {
            Err(Errno::NOENT) => self.make(path, kind),
            found => found.doing("open the mount point", path),
        }
    }

    /// Creates a folder and its missing parents, and returns what was created.
    pub(in crate::container::sandbox) fn make_directory(
        root: &'a OwnedFd,
        path: &Path,
    ) -> Result<Vec<CreatedMountPoint>> {
        let mut points = Self::new(root)?;
        points.open(path, PointKind::Directory)?;
        Ok(points.created)
    }

    /// A handle of a folder with that name in the root itself, not a link; it is created if missing.
    pub(super) fn open_own(&mut self, name: &str) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match kernel_files::beneath(self.root, Path::new(name), flags, ResolveFlags::empty()) {
            Err(Errno::NOENT) => self.make(Path::new(name), PointKind::Directory),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(message(format!("`/{name}` of the image is not a folder"))),
            found => found.doing("open the mount point", name),
        }
    }

    /// Works name by name. A dangling link is followed, as in docker, within the root.
    fn make(&mut self, path: &Path, kind: PointKind) -> Result<OwnedFd> {
        let mut names: VecDeque<OsString> = names_of(path).collect();
        let mut links = 0;
        let root = open(self.root, Path::new(".")).doing("open", "the root filesystem")?;
        let mut walked = PathBuf::new();
        let mut parent = root.try_clone().doing("open", "the root filesystem")?;
        while let Some(name) = names.pop_front() {
            let around = walked.clone();
            walked.push(&name);
            let step_kind = if names.is_empty() { kind } else { PointKind::Directory };
            parent = match open(self.root, &walked) {
                Err(Errno::NOENT) => match rustix::fs::readlinkat(&parent, &name, Vec::new()) {
                    Ok(link) if links < MOST_LINKS => {
                        links += 1;
                        let link = Path::new(OsStr::from_bytes(link.to_bytes()));
                        walked = if link.is_absolute() { PathBuf::new() } else { around };
                        names_of(link).collect::<Vec<_>>().into_iter().rev().for_each(|name| names.push_front(name));
                        if link.is_absolute() { root.try_clone().doing("open", "the root filesystem")? } else { parent }
                    }
                    _ => self.make_one(&parent, &name, step_kind, &walked)?,
                },
                found => found.doing("open the mount point", &walked)?,
            };
        }
        Ok(parent)
    }

    fn make_one(&mut self, parent: &OwnedFd, name: &OsStr, kind: PointKind, walked: &Path) -> Result<OwnedFd> {
        let place = self.place_to_make_in(parent, walked)?;
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
            let path = place.join(name);
            self.created.push(CreatedMountPoint {
                identity: self.identity(&path),
                path,
                is_directory: kind == PointKind::Directory,
                parent_modified: (before.st_mtime, before.st_mtime_nsec as u32),
            });
        }
        let made = kernel_files::beneath(parent, Path::new(name), OFlags::PATH, ResolveFlags::empty());
        made.doing("open the mount point", walked)
    }

    /// For a path that was just created and that only this process knows.
    fn identity(&self, path: &Path) -> Option<(u64, u64)> {
        let made = open_at(self.upper?, path, OFlags::PATH, Links::Refused).ok()?;
        fstat(made).ok().map(|stat| (stat.st_dev, stat.st_ino))
    }

    /// The path of a folder. In the kernel's filesystems, creating a name has an effect: a new cgroup, for example.
    fn place_to_make_in(&self, parent: &OwnedFd, walked: &Path) -> Result<PathBuf> {
        let kind = FileSystem::of(parent).doing("look at the folder of", walked)?;
        let place = self.place_of(parent)?;
        match kind.is_some_and(FileSystem::is_kernels) || place.starts_with("proc") || place.starts_with("sys") {
            true => {
                let (path, place) = (walked.display(), place.display());
                Err(message(format!("`/{path}` can't be made in the container: `/{place}` has the kernel's files")))
            }
            false => Ok(place),
        }
    }

    /// The path of a handle in the root filesystem, with all links resolved. Reads the host's `/proc`.
    pub(super) fn place_of(&self, handle: &OwnedFd) -> Result<PathBuf> {
        let read = |fd: &OwnedFd| {
            let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(fd));
            std::fs::read_link(&link).doing("read", &link)
        };
        let (root, path) = (read(self.root)?, read(handle)?);
        let inside = path.strip_prefix(&root).map(Path::to_owned);
        inside.map_err(|_| message(format!("`{}` is not in the root filesystem", path.display())))
    }
}

fn names_of(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

/// A handle of a path; symbolic links and `..` never lead out of the root.
pub(super) fn open(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    open_with(root, path, OFlags::PATH | OFlags::CLOEXEC)
}

pub(super) fn open_with(root: &OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    open_at(root, path, flags, Links::InRoot)
}

/// Whether a handle is of a folder.
pub(super) fn is_directory(handle: &OwnedFd) -> rustix::io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(handle)?.st_mode) == FileType::Directory)
}
