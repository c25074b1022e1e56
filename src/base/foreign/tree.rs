//! A tree by its root, and the single walk from there to a name.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::handle::regular;
use super::{Folder, Handle};
use crate::base::io_error::IoError;

/// How often a walk is retried when it is disturbed by renames: a program that renames all the time wins a few.
const MOST_TRIES: u32 = 1000;

/// How symbolic links on the way are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// There are none on the way to a name from a listing: a link is an error (`ELOOP`), and so is `..` out of the
    /// tree. The last name may be a link if the caller allows that; it is not followed.
    Refused,
    /// They are followed as if the tree were the root: absolute links and `..` stay inside.
    InRoot,
}

impl Links {
    fn resolve(self) -> ResolveFlags {
        match self {
            Self::Refused => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
            Self::InRoot => ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        }
    }
}

/// openat2(2) from `root`. The empty path is the root itself. `O_CLOEXEC` and `O_NOCTTY` are always set.
pub fn open_at(root: impl AsFd, path: &Path, flags: OFlags, links: Links) -> rustix::io::Result<OwnedFd> {
    walk(root, path, flags, links.resolve())
}

fn walk(root: impl AsFd, path: &Path, flags: OFlags, resolve: ResolveFlags) -> rustix::io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = flags | OFlags::CLOEXEC | if flags.contains(OFlags::PATH) { OFlags::empty() } else { OFlags::NOCTTY };
    for _ in 1..MOST_TRIES {
        match openat2(&root, path, flags, Mode::empty(), resolve) {
            // Something was renamed or mounted meanwhile, so `..` could have led out.
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    openat2(&root, path, flags, Mode::empty(), resolve)
}

/// A tree that somebody else may control. Paths are relative to its root. A leading slash means the root of a tree
/// whose links are followed (`in_root`), and is an error otherwise.
#[derive(Debug)]
pub struct Tree {
    root: Arc<Folder>,
    links: Links,
    one_filesystem: bool,
}

impl Tree {
    /// A tree in which links on the way are errors: for names from a listing.
    pub fn beneath(root: Folder) -> Self {
        Self { root: Arc::new(root), links: Links::Refused, one_filesystem: false }
    }

    /// A tree in which links are followed as if its root were `/`: for names that a person or a program supplied.
    pub fn in_root(root: Folder) -> Self {
        Self { root: Arc::new(root), links: Links::InRoot, one_filesystem: false }
    }

    /// Does not enter anything that is mounted in the tree.
    pub fn on_one_filesystem(self) -> Self {
        Self { one_filesystem: true, ..self }
    }

    /// The folder at the top.
    pub fn root(&self) -> &Folder {
        &self.root
    }

    /// The folder at `path`.
    pub fn folder(&self, path: &Path) -> Result<Folder, IoError> {
        let opened = self.open(path, OFlags::PATH | OFlags::DIRECTORY);
        Ok(Folder::new(opened.map_err(|error| self.failed("open", path, error))?, self.shown(path)))
    }

    /// The same; `None` if there is no folder at that path.
    pub fn find_folder(&self, path: &Path) -> Result<Option<Folder>, IoError> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(opened) => Ok(Some(Folder::new(opened, self.shown(path)))),
            Err(error) if is_no_folder(error) => Ok(None),
            Err(error) => Err(self.failed("open", path, error)),
        }
    }

    /// A handle of whatever is at `path`; a link there is not followed.
    pub fn handle(&self, path: &Path) -> Result<Handle, IoError> {
        if self.links == Links::InRoot {
            let opened = self.open(path, OFlags::PATH | OFlags::NOFOLLOW);
            return Ok(Handle::new(opened.map_err(|error| self.failed("open", path, error))?, self.shown(path)));
        }
        // `RESOLVE_NO_SYMLINKS` with `O_NOFOLLOW` refuses a link in the last place as well.
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => self.folder(parent)?.handle(name),
            (Some(_), Some(name)) => self.root.handle(name),
            _ => self.followed(path),
        }
    }

    /// A handle of whatever is at `path`; a link there is followed if the tree's links are.
    pub fn followed(&self, path: &Path) -> Result<Handle, IoError> {
        let opened = self.open(path, OFlags::PATH).map_err(|error| self.failed("open", path, error))?;
        Ok(Handle::new(opened, self.shown(path)))
    }

    /// The parent folder of `path`, and the last name; `None` for the root and for a path that ends in `..`.
    pub fn parent<'a>(&self, path: &'a Path) -> Result<Option<(Folder, &'a OsStr)>, IoError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        Ok(Some((self.folder(parent)?, name)))
    }

    /// A regular file at `path` for reading, opened as by [`Folder::open_file`].
    pub fn open_file(&self, path: &Path) -> Result<std::fs::File, IoError> {
        let opened = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW);
        regular(opened.map_err(|error| self.failed("open", path, error))?, self.shown(path))
    }

    /// A regular file at `path` for reading; `None` if there is none. A link is followed if the tree's links are.
    pub fn find_file(&self, path: &Path) -> Result<Option<std::fs::File>, IoError> {
        match self.followed(path).and_then(|handle| handle.open_file()) {
            Err(error) if error.errno() == Some(Errno::NOENT) => Ok(None),
            file => file.map(Some),
        }
    }

    fn open(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut resolve = self.links.resolve();
        resolve.set(ResolveFlags::NO_XDEV, self.one_filesystem);
        walk(&*self.root, path, flags, resolve)
    }

    fn shown(&self, path: &Path) -> PathBuf {
        self.root.shown().join(path.strip_prefix("/").unwrap_or(path))
    }

    fn failed(&self, action: &'static str, path: &Path, error: Errno) -> IoError {
        IoError { action, path: self.shown(path), source: error.into() }
    }
}

/// How many trees of this process keep a folder open: an image may have hundreds of layers, and a process has a few
/// thousand descriptors.
const MOST_KEPT: usize = 200;

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// A tree that keeps its last folder open: names are usually requested folder by folder.
#[derive(Debug)]
pub struct LastFolder {
    tree: Tree,
    last: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    folder: Arc<Folder>,
}

impl Kept {
    fn new(path: &Path, folder: &Arc<Folder>) -> Option<Self> {
        if KEPT.fetch_add(1, Ordering::Relaxed) < MOST_KEPT {
            return Some(Self { path: path.to_owned(), folder: folder.clone() });
        }
        KEPT.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LastFolder {
    /// For the names of this tree.
    pub fn of(tree: Tree) -> Self {
        Self { tree, last: Mutex::default() }
    }

    /// The tree itself.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The folder at `path`.
    pub fn folder(&self, path: &Path) -> Result<Arc<Folder>, IoError> {
        if path.as_os_str().is_empty() {
            return Ok(self.tree.root.clone());
        }
        let mut last = self.last();
        if let Some(kept) = &*last
            && kept.path.as_os_str() == path.as_os_str()
        {
            return Ok(kept.folder.clone());
        }
        let folder = Arc::new(self.tree.folder(path)?);
        // The previous one is closed first, to make room.
        *last = None;
        *last = Kept::new(path, &folder);
        Ok(folder)
    }

    /// The same; `None` if there is no folder at that path.
    pub fn find_folder(&self, path: &Path) -> Result<Option<Arc<Folder>>, IoError> {
        match self.folder(path) {
            Err(error) if error.errno().is_some_and(is_no_folder) => Ok(None),
            folder => folder.map(Some),
        }
    }

    /// The parent folder of `path`, and the last name; `None` for the root.
    pub fn parent<'a>(&self, path: &'a Path) -> Result<Option<(Arc<Folder>, &'a OsStr)>, IoError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        Ok(Some((self.folder(parent)?, name)))
    }

    /// Call this when a folder was moved or removed: another one may have its name now.
    pub fn forget(&self) {
        *self.last() = None;
    }

    fn last(&self) -> MutexGuard<'_, Option<Kept>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where links are refused, a link is not a folder; and nothing is at a path that is too long.
fn is_no_folder(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP)
}
