//! A scanned context: its entries, their digests, and copying their content into a layer.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::OFlags;

use super::content::{self, Copied};
use super::digests::{Digests, Known};
use super::folder::{Folder, Found};
use super::folders::Folders;
use super::scan::Scanner;
use super::stat_cache::{self, Filesystem, now};
use super::used::{Unused, Used};
use super::{ContextError, Entry, Identity, IgnorePatterns, SourceTree};
use crate::base::digest::ContentDigest;
use crate::base::foreign::{Links, open_at};
use crate::base::io_error::{AtPath, IoError};
use crate::base::rights;
use crate::image::layer::FileKind;
use crate::image::layer::directory::{self, Status};

/// Fewer bytes than this are hashed on one thread.
const WORTH_A_THREAD: u64 = 1 << 20;

/// A scanned build context. Its entries do not change any more; a file that changes on disk afterwards is detected when
/// it is copied.
#[derive(Debug, Default)]
pub struct Context {
    folders: Folders,
    digests: Digests,
    /// The files that steps have requested.
    used: Used,
    directory: Option<Directory>,
    /// A digest was computed that is not in the stat cache.
    learnt: AtomicBool,
}

/// Regular files whose digests are wanted, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Wanted {
    files: Vec<u32>,
    /// The number of bytes to read for that, plus a little for each file.
    unread: u64,
}

/// The context's directory.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    root: OwnedFd,
    filesystem: Filesystem,
    stat_cache: Option<PathBuf>,
}

impl Context {
    /// Scans the directory `root`, without what `ignore` matches. `stat_cache` is the file that remembers digests
    /// between builds; it need not exist.
    pub fn open(root: &Path, ignore: &IgnorePatterns, stat_cache: Option<&Path>) -> Result<Self, ContextError> {
        let opened = crate::image::layer::directory::open_root(root);
        let fd = match opened {
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(ContextError::NotADirectory { path: root.to_owned() });
            }
            opened => opened.at("open", root)?,
        };
        let filesystem = Filesystem::of(fd.as_fd()).at("look up the filesystem of", root)?;
        let folders = Scanner::new(root, fd.as_fd(), ignore).scan()?;
        let digests = Digests::new(folders.files());
        if let Some(path) = stat_cache {
            stat_cache::load(path, &filesystem, &folders, |file, digest| digests.remember(file, digest))?;
        }
        Ok(Self {
            digests,
            used: Used::new(folders.files()),
            folders,
            directory: Some(Directory {
                path: root.to_owned(),
                root: fd,
                filesystem,
                stat_cache: stat_cache.map(Path::to_owned),
            }),
            learnt: AtomicBool::new(false),
        })
    }

    /// An empty context.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The entry at `path`; the root has none. Follows no symlink.
    pub fn entry(&self, path: &Path) -> Option<Entry<'_>> {
        Some(self.folders.find(path)?.child.entry)
    }

    /// The paths of all entries, depth first, the names of each folder in byte order.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let inside = |path: &Path| {
            let folder = self.folders.folder(path.as_os_str().as_bytes());
            let mut paths: Vec<PathBuf> = folder
                .into_iter()
                .flat_map(Folder::children)
                .map(|found| path.join(OsStr::from_bytes(found.child.name)))
                .collect();
            paths.reverse();
            paths
        };
        let mut waiting = inside(Path::new(""));
        std::iter::from_fn(move || {
            let path = waiting.pop()?;
            waiting.extend(inside(&path));
            Some(path)
        })
    }

    /// The digest of a regular file's content, from the stat cache if that is reliable.
    pub fn digest(&self, path: &Path) -> Result<ContentDigest, ContextError> {
        Ok(self.known(path, &self.found(path)?)?.digest)
    }

    /// Adds the digest of `path`, if that is a regular file.
    pub fn want(&self, wanted: &mut Wanted, path: &Path) {
        let Some(Found { child, file: Some(file) }) = self.folders.find(path) else { return };
        wanted.files.push(file);
        self.used.note(file, child.entry.size());
        if self.digests.digest(file).is_none() {
            wanted.unread += child.entry.size() + 4096;
        }
    }

    /// The wanted digests, in order; files are read on several threads.
    pub fn digests(&self, wanted: &Wanted) -> impl Iterator<Item = Result<ContentDigest, ContextError>> {
        if wanted.unread > WORTH_A_THREAD {
            let next = AtomicUsize::new(0);
            let read = || {
                // An error occurs again, in order, when the digest is requested.
                while let Some(file) = wanted.files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = self.digest_of(*file);
                }
            };
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(read);
                }
                read();
            });
        }
        wanted.files.iter().map(|file| self.digest_of(*file))
    }

    /// What no step has requested yet.
    pub fn unused(&self) -> Unused {
        self.used.rest(&self.folders)
    }

    /// Whether a step has requested the regular file at `path`.
    pub fn is_used(&self, path: &Path) -> bool {
        self.folders.find(path).and_then(|found| found.file).is_some_and(|file| self.used.has(file))
    }

    /// The folders with files that steps have requested.
    pub fn used_folders(&self) -> Vec<PathBuf> {
        let has_used =
            |folder: &&Folder| folder.children().filter_map(|found| found.file).any(|file| self.used.has(file));
        let path = |folder: &Folder| PathBuf::from(OsStr::from_bytes(&folder.path));
        self.folders.iter().filter(has_used).map(path).collect()
    }

    /// Whether a file that a step has requested was replaced or removed.
    pub fn has_used_changed(&self) -> bool {
        let Some(directory) = &self.directory else { return false };
        self.used_folders().iter().any(|path| {
            let handle = open_at(&directory.root, path, OFlags::RDONLY | OFlags::DIRECTORY, Links::Refused);
            let (Ok(handle), Some(folder)) = (handle, self.folders.folder(path.as_os_str().as_bytes())) else {
                return true;
            };
            let used = folder.children().filter(|found| found.file.is_some_and(|file| self.used.has(file)));
            used.into_iter().any(|found| !is_still(&handle, &found))
        })
    }

    /// Opens a regular file for reading.
    pub fn open_file(&self, path: &Path) -> Result<File, ContextError> {
        let Some(directory) = &self.directory else {
            return Err(ContextError::NotFound { path: path.to_owned() });
        };
        let file = open_at(&directory.root, path, OFlags::RDONLY | OFlags::NONBLOCK, Links::Refused);
        Ok(File::from(file.at("open", self.shown(path))?))
    }

    /// Copies a regular file's content to `out` (empty, at offset 0; holes stay holes) and returns the digest of the
    /// copy. `ContextError::Changed` if `digest` returns a different one.
    pub fn copy_file(&self, path: &Path, out: &File) -> Result<ContentDigest, ContextError> {
        let found = self.found(path)?;
        let (known, identity) = (self.known(path, &found)?, found.child.entry.identity);
        let file = self.open_file(path)?;
        let before = self.identity(&file, path)?;
        let changed = || ContextError::Changed { path: path.to_owned() };
        let copied = match known.settled && before == identity {
            true => content::copy(&file, out, before.size),
            false => content::copy_and_hash(&file, out, before.size),
        };
        let copied = copied.at("copy", self.shown(path))?;
        let digest = match copied {
            Copied::Hashed(digest) => digest,
            Copied::Whole if self.identity(&file, path)? == identity => known.digest,
            Copied::Whole | Copied::Short => return Err(changed()),
        };
        if digest == known.digest { Ok(digest) } else { Err(changed()) }
    }

    /// The path of the context's directory; `None` for an empty context.
    pub fn root_path(&self) -> Option<&Path> {
        self.directory.as_ref().map(|directory| directory.path.as_path())
    }

    /// The context's directory; `None` for an empty context.
    pub fn root_fd(&self) -> Option<BorrowedFd<'_>> {
        self.directory.as_ref().map(|directory| directory.root.as_fd())
    }

    /// Writes the stat cache, if anything in it changed.
    pub fn save_stat_cache(&self) -> Result<(), ContextError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let Some(path) = &directory.stat_cache else { return Ok(()) };
        if !self.learnt.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let digest = |file| self.digests.get(file).filter(|known| known.settled).map(|known| known.digest);
        Ok(stat_cache::save(path, &directory.filesystem, &self.folders, digest)?)
    }

    fn found(&self, path: &Path) -> Result<Found<'_>, ContextError> {
        self.folders.find(path).ok_or_else(|| ContextError::NotFound { path: path.to_owned() })
    }

    fn digest_of(&self, file: u32) -> Result<ContentDigest, ContextError> {
        if let Some(digest) = self.digests.digest(file) {
            return Ok(*digest);
        }
        let (path, found) = self.folders.file(file).ok_or_else(|| ContextError::NotFound { path: PathBuf::new() })?;
        Ok(self.known(&path, &found)?.digest)
    }

    fn known(&self, path: &Path, found: &Found<'_>) -> Result<Known, ContextError> {
        if let Some(known) = found.file.and_then(|file| self.digests.get(file)) {
            return Ok(known);
        }
        let (Some(directory), Some(number)) = (&self.directory, found.file) else {
            return Err(ContextError::NotFound { path: path.to_owned() });
        };
        rights::not_deferred()?;
        let reading = now();
        let entry = &found.child.entry;
        let file = self.open_file(path)?;
        let digest = content::hash(&file, entry.size()).at("read", self.shown(path))?;
        // A file that has changed since the scan, or while it was read, gets the digest of what was just read, which is
        // not remembered.
        let settled =
            self.identity(&file, path)? == entry.identity && directory.filesystem.is_settled(&entry.identity, reading);
        if settled {
            self.learnt.store(true, Ordering::Relaxed);
        }
        Ok(self.digests.keep(number, Known { digest, settled }))
    }

    fn identity(&self, file: &File, path: &Path) -> Result<Identity, ContextError> {
        let stat = rustix::fs::fstat(file).at("stat", self.shown(path))?;
        Ok((&Status::from(stat)).into())
    }

    fn shown(&self, path: &Path) -> PathBuf {
        self.directory.as_ref().map_or_else(|| path.to_owned(), |directory| directory.path.join(path))
    }
}

/// Whether the name in the folder is still the file that was scanned.
fn is_still(folder: &OwnedFd, found: &Found<'_>) -> bool {
    let Ok(name) = CString::new(found.child.name) else { return false };
    let now = directory::status(folder, &name);
    now.is_ok_and(|now| Identity::from(&now) == found.child.entry.identity)
}

impl SourceTree for Context {
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError> {
        if path.as_os_str().is_empty() {
            return Ok(Some(FileKind::Directory));
        }
        Ok(self.entry(path).map(|entry| entry.kind))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<(OsString, FileKind)>, IoError> {
        let folder = self.folders.folder(path.as_os_str().as_bytes());
        let children = folder.into_iter().flat_map(Folder::children).map(|found| found.child);
        Ok(children.map(|child| (OsStr::from_bytes(child.name).to_owned(), child.entry.kind)).collect())
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
        let target = self.entry(path).and_then(|entry| entry.link_target);
        target.map(Path::to_owned).ok_or_else(|| IoError {
            action: "read link",
            path: path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        })
    }
}
