//! One layer's folder as it lies in the store, looked into without following a link of its.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{Entry, Owner};
use crate::io_error::{AtPath, IoError};
use crate::layer::FileKind;

const OPAQUE: &str = "user.overlay.opaque";

pub(super) fn kind_of(stat: &Stat) -> FileKind {
    FileKind::from_stat(stat.st_mode, rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))
}

pub(super) struct LayerFolder {
    path: PathBuf,
    pub(super) fd: OwnedFd,
}

impl LayerFolder {
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).at("open", path)?;
        Ok(Self { path: path.to_owned(), fd })
    }

    /// What is at `path`, which must lead through folders of this layer only; also a whiteout.
    pub fn entry(&self, path: &Path) -> Result<Option<Entry>, IoError> {
        let found = match path.as_os_str().is_empty() {
            true => rustix::fs::fstat(&self.fd),
            false => rustix::fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW),
        };
        match found {
            Ok(stat) => Ok(Some(entry_of(&stat))),
            // A name that is too long is in no layer.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => Ok(None),
            Err(errno) => Err(errno).at("read", self.path.join(path)),
        }
    }

    /// Whether the folder at `path` hides those of the same name in the layers below.
    pub fn is_opaque(&self, path: &Path) -> Result<bool, IoError> {
        Ok(read_xattr(&self.path.join(path), OPAQUE)?.is_some_and(|mark| mark == b"y"))
    }

    /// The names in the folder at `path`, in no order.
    pub fn names(&self, path: &Path) -> Result<Vec<OsString>, IoError> {
        let host_path = self.path.join(path);
        let fd = self.open_within(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for item in rustix::fs::Dir::new(fd).at("read", &host_path)? {
            let item = item.at("read", &host_path)?;
            let name = item.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(names)
    }

    pub fn open_file(&self, path: &Path) -> Result<std::fs::File, IoError> {
        Ok(self.open_within(path, OFlags::RDONLY | OFlags::NONBLOCK)?.into())
    }

    pub fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
        let target = rustix::fs::readlinkat(&self.fd, path, Vec::new()).at("read", self.path.join(path))?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// The extended attributes, without those of overlayfs, in byte order of their names.
    pub fn xattrs(&self, path: &Path) -> Result<Vec<(String, Vec<u8>)>, IoError> {
        let host_path = self.path.join(path);
        let mut names = vec![0; 1024];
        let length = loop {
            match rustix::fs::llistxattr(&host_path, &mut names[..]) {
                Ok(length) => break length,
                Err(Errno::OPNOTSUPP) => break 0,
                Err(Errno::RANGE) => names.resize(names.len() * 4, 0),
                Err(errno) => return Err(errno).at("read the attributes of", &host_path),
            }
        };
        let mut found = Vec::new();
        for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let of_overlayfs = name.starts_with("user.overlay.") || name.starts_with("trusted.");
            if !of_overlayfs && let Some(value) = read_xattr(&host_path, name)? {
                found.push((name.to_owned(), value));
            }
        }
        found.sort();
        Ok(found)
    }

    fn open_within(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, IoError> {
        let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, name, flags, Mode::empty()).at("open", self.path.join(path))
    }
}

fn entry_of(stat: &Stat) -> Entry {
    Entry {
        kind: kind_of(stat),
        mode: stat.st_mode & 0o7777,
        owner: Owner { uid: stat.st_uid, gid: stat.st_gid },
        mtime: stat.st_mtime,
        size: stat.st_size as u64,
        inode: (stat.st_dev, stat.st_ino),
        names: stat.st_nlink as _,
        layer: 0,
    }
}

fn read_xattr(path: &Path, name: &str) -> Result<Option<Vec<u8>>, IoError> {
    let mut value = vec![0; 256];
    loop {
        match rustix::fs::lgetxattr(path, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                return Ok(Some(value));
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            Err(Errno::RANGE) => value.resize(value.len() * 4, 0),
            Err(errno) => return Err(errno).at("read the attributes of", path),
        }
    }
}
