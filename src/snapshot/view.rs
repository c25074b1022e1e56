//! What is at a path of a stack of layers, merged by overlayfs' rules (kernel, filesystems/overlayfs.rst): the topmost
//! layer that has a name decides; folders merge downwards until one is opaque or something else is in the way.
//!
//! Paths are relative to the root, without `.` and `..`; the root is the empty path. They are resolved name by name
//! within the layers, never through a symbolic link of the host.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::SnapshotError;
use crate::context::SourceTree;
use crate::io_error::{AtPath, IoError};
use crate::layer::{FileKind, LowerTree};

const OPAQUE: &str = "user.overlay.opaque";
/// The kernel's limit, path_resolution(7).
const MOST_LINKS: usize = 40;

pub(super) fn kind_of(stat: &Stat) -> FileKind {
    FileKind::from_stat(stat.st_mode, rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))
}

/// What a name of the merged tree stands for.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub kind: FileKind,
    pub stat: Stat,
    /// Which layer it is from, counted from the top.
    pub(super) layer: usize,
}

impl Entry {
    pub fn is_dir(&self) -> bool {
        self.kind.is_directory()
    }

    /// Permission bits with setuid, setgid and sticky.
    pub fn mode(&self) -> u32 {
        self.stat.st_mode & 0o7777
    }
}

pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) fd: OwnedFd,
}

/// A merged, read-only look into a stack of layers.
pub struct View {
    /// The topmost layer first.
    pub(super) layers: Vec<Root>,
    /// The layers that a folder is merged from; nothing for what is no folder.
    directories: Mutex<HashMap<PathBuf, Arc<[usize]>>>,
}

impl View {
    /// Looks into the folders `layers`, the lowest first.
    pub fn open(layers: &[PathBuf]) -> Result<Self, SnapshotError> {
        let open = |path: &PathBuf| {
            let fd = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .at("open", path)?;
            Ok(Root { path: path.clone(), fd })
        };
        let layers = layers.iter().rev().map(open).collect::<Result<Vec<_>, SnapshotError>>()?;
        let root: Arc<[usize]> = (0..layers.len()).collect();
        Ok(Self { layers, directories: Mutex::new(HashMap::from([(PathBuf::new(), root)])) })
    }

    /// What is at `path`; a symbolic link in the last place is not followed, and none may be in the others.
    pub fn lstat(&self, path: &Path) -> Result<Option<Entry>, IoError> {
        let Some(parent) = path.parent() else { return self.root_entry() };
        for &layer in self.directory(parent)?.iter() {
            match self.stat_in(layer, path)? {
                None => {}
                Some(stat) if is_whiteout(&stat) => return Ok(None),
                Some(stat) => return Ok(Some(Entry { kind: kind_of(&stat), stat, layer })),
            }
        }
        Ok(None)
    }

    /// What the merged root is: that of the topmost layer, or nothing when there is no layer.
    fn root_entry(&self) -> Result<Option<Entry>, IoError> {
        let Some(top) = self.layers.first() else { return Ok(None) };
        let stat = rustix::fs::fstat(&top.fd).at("read", &top.path)?;
        Ok(Some(Entry { kind: kind_of(&stat), stat, layer: 0 }))
    }

    /// The names in the folder `path`, in byte order; none when it is no folder.
    pub fn read_dir(&self, path: &Path) -> Result<Vec<(OsString, Entry)>, IoError> {
        let mut names: BTreeMap<OsString, Option<Entry>> = BTreeMap::new();
        for &layer in self.directory(path)?.iter() {
            let host_path = self.layers[layer].path.join(path);
            let fd = self.open_in(layer, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            for item in rustix::fs::Dir::new(fd).at("read", &host_path)? {
                let item = item.at("read", &host_path)?;
                let name = item.file_name().to_bytes();
                if name == b"." || name == b".." || names.contains_key(OsStr::from_bytes(name)) {
                    continue;
                }
                let name = OsString::from_vec(name.to_vec());
                let Some(stat) = self.stat_in(layer, &path.join(&name))? else { continue };
                let entry = (!is_whiteout(&stat)).then(|| Entry { kind: kind_of(&stat), stat, layer });
                names.insert(name, entry);
            }
        }
        Ok(names.into_iter().filter_map(|(name, entry)| Some((name, entry?))).collect())
    }

    /// Opens the file at `path` for reading. `entry` is what `lstat` said of it.
    pub fn open_file(&self, path: &Path, entry: &Entry) -> Result<File, IoError> {
        Ok(self.open_in(entry.layer, path, OFlags::RDONLY | OFlags::NONBLOCK)?.into())
    }

    pub fn read_link(&self, path: &Path, entry: &Entry) -> Result<PathBuf, IoError> {
        let root = &self.layers[entry.layer];
        let target = rustix::fs::readlinkat(&root.fd, path, Vec::new()).at("read", root.path.join(path))?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// The extended attributes, without those of overlayfs, in byte order of their names.
    pub fn xattrs(&self, path: &Path, entry: &Entry) -> Result<Vec<(String, Vec<u8>)>, IoError> {
        let host_path = self.layers[entry.layer].path.join(path);
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

    /// `path` with every symbolic link in it resolved, also the last, as if the folder `base` were the root: absolute
    /// links and `..` stay inside. What does not exist stays as written. The result is seen from the view's root.
    pub fn resolve(&self, base: &Path, path: &Path) -> Result<PathBuf, SnapshotError> {
        let mut rest: Vec<OsString> = Vec::new();
        push_reversed(&mut rest, path);
        let (mut resolved, mut links) = (base.to_owned(), 0);
        while let Some(name) = rest.pop() {
            if name == ".." {
                if resolved != base {
                    resolved.pop();
                }
                continue;
            }
            resolved.push(&name);
            let Some(entry) = self.lstat(&resolved)? else { continue };
            if entry.kind != FileKind::Symlink {
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(SnapshotError::LinkLoop { path: path.to_owned() });
            }
            let target = self.read_link(&resolved, &entry)?;
            if target.is_absolute() {
                resolved = base.to_owned();
            } else {
                resolved.pop();
            }
            push_reversed(&mut rest, &target);
        }
        Ok(resolved)
    }

    /// The layers that the folder `path` is merged from, from the top; none when it is no folder.
    pub(super) fn directory(&self, path: &Path) -> Result<Arc<[usize]>, IoError> {
        if let Some(known) = self.known(path) {
            return Ok(known);
        }
        let Some(parent) = path.parent() else { return Ok(Arc::new([])) };
        let above = self.directory(parent)?;
        let mut merged = Vec::new();
        for (position, &layer) in above.iter().enumerate() {
            let Some(stat) = self.stat_in(layer, path)? else { continue };
            if kind_of(&stat) != FileKind::Directory {
                break;
            }
            merged.push(layer);
            let is_last = position + 1 == above.len();
            if !is_last && read_xattr(&self.layers[layer].path.join(path), OPAQUE)?.is_some_and(|mark| mark == b"y") {
                break;
            }
        }
        let merged: Arc<[usize]> = merged.into();
        self.set_directory(path, merged.clone());
        Ok(merged)
    }

    fn known(&self, path: &Path) -> Option<Arc<[usize]>> {
        self.directories.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(path).cloned()
    }

    /// Forgets what was known of the folder `path` and those below it.
    pub(super) fn forget_directories(&self, path: &Path) {
        let mut directories = self.directories.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        directories.retain(|known, _| !known.starts_with(path));
    }

    pub(super) fn set_directory(&self, path: &Path, layers: Arc<[usize]>) {
        self.directories.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(path.to_owned(), layers);
    }

    /// What one layer has at `path`, which must lead through folders of that layer only.
    fn stat_in(&self, layer: usize, path: &Path) -> Result<Option<Stat>, IoError> {
        let root = &self.layers[layer];
        match rustix::fs::statat(&root.fd, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            // A name that is too long is in no layer.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => Ok(None),
            Err(errno) => Err(errno).at("read", root.path.join(path)),
        }
    }

    fn open_in(&self, layer: usize, path: &Path, flags: OFlags) -> Result<OwnedFd, IoError> {
        let root = &self.layers[layer];
        let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&root.fd, name, flags, Mode::empty()).at("open", root.path.join(path))
    }
}

/// overlayfs marks a deleted name with a character device 0:0.
fn is_whiteout(stat: &Stat) -> bool {
    kind_of(stat).is_whiteout()
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

/// Puts the names of `path` on the stack, the first on top. Leading slashes and `.` say nothing.
fn push_reversed(stack: &mut Vec<OsString>, path: &Path) {
    let start = stack.len();
    for component in path.components() {
        match component {
            Component::Normal(name) => stack.push(name.to_owned()),
            Component::ParentDir => stack.push("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    stack[start..].reverse();
}

impl LowerTree for View {
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError> {
        Ok(self.lstat(path)?.map(|entry| entry.kind))
    }
}

impl SourceTree for View {
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError> {
        // A view of no layers still has a root: an empty folder.
        if path.as_os_str().is_empty() {
            return Ok(Some(FileKind::Directory));
        }
        Ok(self.lstat(path)?.map(|entry| entry.kind))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<(OsString, FileKind)>, IoError> {
        Ok(self.read_dir(path)?.into_iter().map(|(name, entry)| (name, entry.kind)).collect())
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
        match self.lstat(path)? {
            Some(entry) => self.read_link(path, &entry),
            None => Err(Errno::NOENT).at("read the link", path),
        }
    }
}
