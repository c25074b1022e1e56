//! A scanned context: its entries, their digests, and their content on its way into a layer.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::content::{self, Copied};
use super::order::compare;
use super::scan::Scanner;
use super::stat_cache::{self, Filesystem, now};
use super::{ContextError, Entry, Identity, IgnorePatterns, SourceTree};
use crate::digest::ContentDigest;
use crate::io_error::{AtPath, IoError};
use crate::layer::FileKind;
use crate::layer::directory::Status;
use crate::rights;

/// Fewer bytes than this are hashed on one thread.
const WORTH_A_THREAD: u64 = 1 << 20;

/// A build context that has been scanned. Its entries do not change any more; a file that changes on disk afterwards is
/// noticed when it is copied.
#[derive(Debug, Default)]
pub struct Context {
    entries: Vec<Entry>,
    /// Of each entry, once known.
    digests: Vec<OnceLock<Known>>,
    directory: Option<Directory>,
    /// A digest was computed that the stat cache does not have.
    learnt: AtomicBool,
    /// What is asked for next is likely to follow what was asked for last.
    next: AtomicUsize,
}

/// Where the context is.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    root: OwnedFd,
    filesystem: Filesystem,
    stat_cache: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    digest: ContentDigest,
    /// A later change of the file will show in its ctime.
    settled: bool,
}

impl Context {
    /// Scans the directory `root`, without what `ignore` matches. `stat_cache` names the file that remembers digests
    /// between builds; it need not exist.
    pub fn open(root: &Path, ignore: &IgnorePatterns, stat_cache: Option<&Path>) -> Result<Self, ContextError> {
        let opened = crate::layer::directory::open_root(root);
        let fd = match opened {
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(ContextError::NotADirectory { path: root.to_owned() });
            }
            opened => opened.at("open", root)?,
        };
        let filesystem = Filesystem::of(fd.as_fd()).at("look up the filesystem of", root)?;
        let entries = Scanner::new(root, fd.as_fd(), ignore).scan()?;
        let mut digests: Vec<OnceLock<Known>> = entries.iter().map(|_| OnceLock::new()).collect();
        if let Some(path) = stat_cache {
            stat_cache::load(path, &filesystem, &entries, |index, digest| {
                digests[index] = OnceLock::from(Known { digest, settled: true });
            })?;
        }
        Ok(Self {
            digests,
            entries,
            next: AtomicUsize::new(0),
            directory: Some(Directory {
                path: root.to_owned(),
                root: fd,
                filesystem,
                stat_cache: stat_cache.map(Path::to_owned),
            }),
            learnt: AtomicBool::new(false),
        })
    }

    /// A context with nothing in it.
    pub fn empty() -> Self {
        Self::default()
    }

    /// All entries, depth first, the names of each directory in byte order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry at `path`; no symlink is followed.
    pub fn entry(&self, path: &Path) -> Option<&Entry> {
        self.position(path).ok().map(|index| &self.entries[index])
    }

    /// The entry at `path` and all that is below it; everything for the empty path.
    pub fn subtree(&self, path: &Path) -> &[Entry] {
        if path.as_os_str().is_empty() {
            return &self.entries;
        }
        let Ok(start) = self.position(path) else { return &[] };
        let count = contained(&self.entries[start..], path);
        &self.entries[start..start + count]
    }

    /// The digest of a regular file's content, from the stat cache where that can be trusted.
    pub fn digest(&self, entry: &Entry) -> Result<ContentDigest, ContextError> {
        Ok(self.known(entry)?.digest)
    }

    /// The digests of many regular files, in their order; files are read on several threads.
    pub fn digests(&self, entries: &[&Entry]) -> Result<Vec<ContentDigest>, ContextError> {
        self.read_digests(entries);
        entries.iter().map(|entry| self.digest(entry)).collect()
    }

    /// Sees to it that the digests of many regular files are known.
    pub fn read_digests(&self, entries: &[&Entry]) {
        let unknown: Vec<&Entry> =
            entries.iter().copied().filter(|entry| self.digests[entry.index].get().is_none()).collect();
        if unknown.iter().map(|entry| entry.size() + 4096).sum::<u64>() > WORTH_A_THREAD {
            let next = AtomicUsize::new(0);
            let read = || {
                // An error comes again, in order, when the digest is asked for.
                while let Some(entry) = unknown.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = self.known(entry);
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
    }

    /// Opens a regular file for reading.
    pub fn open_file(&self, entry: &Entry) -> Result<File, ContextError> {
        let Some(directory) = &self.directory else {
            return Err(ContextError::NotFound { path: entry.path.to_path_buf() });
        };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = openat2(&directory.root, &*entry.path, flags, Mode::empty(), resolve);
        Ok(File::from(file.at("open", self.shown(entry))?))
    }

    /// Copies a regular file's content to `out` (empty, at offset 0; holes stay holes) and returns the digest of what was
    /// copied. `ContextError::Changed` when that is not what `digest` says.
    pub fn copy_file(&self, entry: &Entry, out: &File) -> Result<ContentDigest, ContextError> {
        let known = self.known(entry)?;
        let file = self.open_file(entry)?;
        let before = self.identity(&file, entry)?;
        let changed = || ContextError::Changed { path: entry.path.to_path_buf() };
        let copied = match known.settled && before == entry.identity {
            true => content::copy(&file, out, before.size),
            false => content::copy_and_hash(&file, out, before.size),
        };
        let copied = copied.at("copy", self.shown(entry))?;
        let digest = match copied {
            Copied::Hashed(digest) => digest,
            Copied::Whole if self.identity(&file, entry)? == entry.identity => known.digest,
            Copied::Whole | Copied::Short => return Err(changed()),
        };
        if digest == known.digest { Ok(digest) } else { Err(changed()) }
    }

    /// Where the context's directory is; none for an empty context.
    pub fn root_path(&self) -> Option<&Path> {
        self.directory.as_ref().map(|directory| directory.path.as_path())
    }

    /// The context's directory; none for an empty context.
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
        let digest =
            |index: usize| self.digests[index].get().filter(|known: &&Known| known.settled).map(|known| known.digest);
        Ok(stat_cache::save(path, &directory.filesystem, &self.entries, digest)?)
    }

    fn known(&self, entry: &Entry) -> Result<Known, ContextError> {
        if let Some(known) = self.digests[entry.index].get() {
            return Ok(*known);
        }
        let Some(directory) = &self.directory else {
            return Err(ContextError::NotFound { path: entry.path.to_path_buf() });
        };
        rights::need();
        let reading = now();
        let file = self.open_file(entry)?;
        let digest = content::hash(&file, entry.size()).at("read", self.shown(entry))?;
        // A file that has changed since the scan, or while it was read, has the digest of what was read just now, and
        // nothing is remembered of it.
        let settled =
            self.identity(&file, entry)? == entry.identity && directory.filesystem.is_settled(&entry.identity, reading);
        if settled {
            self.learnt.store(true, Ordering::Relaxed);
        }
        Ok(*self.digests[entry.index].get_or_init(|| Known { digest, settled }))
    }

    fn identity(&self, file: &File, entry: &Entry) -> Result<Identity, ContextError> {
        let stat = rustix::fs::fstat(file).at("stat", self.shown(entry))?;
        Ok((&Status::from(stat)).into())
    }

    fn position(&self, path: &Path) -> Result<usize, usize> {
        let path = path.as_os_str().as_bytes();
        let next = self.next.load(Ordering::Relaxed);
        if self.entries.get(next).is_some_and(|entry| entry.path.as_os_str().as_bytes() == path) {
            self.next.store(next + 1, Ordering::Relaxed);
            return Ok(next);
        }
        let found = self.entries.binary_search_by(|entry| compare(entry.path.as_os_str().as_bytes(), path));
        if let Ok(index) = found {
            self.next.store(index + 1, Ordering::Relaxed);
        }
        found
    }

    fn shown(&self, entry: &Entry) -> PathBuf {
        self.directory.as_ref().map_or_else(|| entry.path.to_path_buf(), |directory| directory.path.join(&entry.path))
    }
}

/// How many of the entries, which are in order, begin with that path. Told by bytes: comparing paths name by name takes
/// longer than all the rest of a look at an unchanged context.
fn contained(entries: &[Entry], path: &Path) -> usize {
    let path = path.as_os_str().as_bytes();
    let is_within = |entry: &Entry| {
        let rest = entry.path.as_os_str().as_bytes().strip_prefix(path);
        rest.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
    };
    entries.partition_point(is_within)
}

impl SourceTree for Context {
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError> {
        if path.as_os_str().is_empty() {
            return Ok(Some(FileKind::Directory));
        }
        Ok(self.entry(path).map(|entry| entry.kind))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<(OsString, FileKind)>, IoError> {
        let below = self.subtree(path);
        let below = if path.as_os_str().is_empty() { below } else { below.get(1..).unwrap_or_default() };
        let mut rest = below;
        let mut children = Vec::new();
        while let Some((child, after)) = rest.split_first() {
            children.extend(child.path.file_name().map(|name| (name.to_owned(), child.kind)));
            // Past all that is in it.
            let inside = if child.kind == FileKind::Directory { contained(after, &child.path) } else { 0 };
            rest = &after[inside..];
        }
        Ok(children)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
        let target = self.entry(path).and_then(|entry| entry.link_target.as_deref());
        target.map(Path::to_owned).ok_or_else(|| IoError {
            action: "read link",
            path: path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        })
    }
}
