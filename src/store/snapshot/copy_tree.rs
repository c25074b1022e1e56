//! Copies a folder exactly, with owners, times, attributes, links and device nodes: what a container wrote, and may
//! still be writing. So every name is opened once, in an open folder, and only regular files are opened.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rustix::fs::{FileType, Gid, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::SnapshotError;
use super::layer_folder::OPAQUE;
use crate::base::foreign::{Folder, Handle, LinkOwners, Stat, Tree, are_owners_recorded};
use crate::base::io_error::{AtPath, IoError, check_depth};

/// Device and inode.
pub type Identity = (u64, u64);

/// Copies the content of `from`, and its own attributes, to the existing empty folder `to`, which nobody else writes
/// to. Returns the copies of those `watched` files and folders that existed.
pub fn copy_tree(
    from: &Path,
    to: &Path,
    watched: &HashSet<Identity>,
) -> Result<HashMap<Identity, Identity>, SnapshotError> {
    copy_in_way(&Folder::open(from)?, Folder::open(to)?, watched, Way::Nothing)
}

/// The same for folders that are already open.
pub fn copy_folder(from: &Folder, to: Folder) -> Result<(), SnapshotError> {
    copy_in_way(from, to, &NOTHING_WATCHED, Way::Nothing).map(drop)
}

/// Merges what overlayfs wrote to the folder `from` into what it wrote to the folder `to` before, as if everything had
/// been written there. Nothing may write to either any longer. Returns the copies of watched files, like [`copy_tree`].
pub fn merge_tree(
    from: OwnedFd,
    to: &Path,
    watched: &HashSet<Identity>,
) -> Result<HashMap<Identity, Identity>, SnapshotError> {
    let from = Folder::new(from, PathBuf::from("the changes in memory"));
    copy_in_way(&from, Folder::open(to)?, watched, Way::Merged)
}

/// Merges a layer's folder into a folder that has the lower layers as one: whatever it deletes is removed.
/// It is for programs to work in: if owners are recorded, those of links and FIFOs are written beside it.
pub(super) fn flatten_tree(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let root = Tree::beneath(Folder::open(to)?);
    let mut copy = Copy::new(&root, Way::Flattened, &NOTHING_WATCHED);
    let is_recorded = are_owners_recorded();
    if is_recorded {
        copy.owners = Owners::Into(RefCell::new(LinkOwners::of(to)?));
    }
    copy.all(&Folder::open(from)?)?;
    if let Owners::Into(owners) = copy.owners {
        owners.into_inner().write(to)?;
    }
    Ok(())
}

fn copy_in_way(
    from: &Folder,
    to: Folder,
    watched: &HashSet<Identity>,
    way: Way,
) -> Result<HashMap<Identity, Identity>, SnapshotError> {
    let root = Tree::beneath(to);
    let mut copy = Copy::new(&root, way, watched);
    copy.all(from)?;
    Ok(copy.found)
}

/// What the copy already contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Nothing,
    /// What overlayfs wrote earlier.
    Merged,
    /// The layers below, as overlayfs shows them.
    Flattened,
}

/// Single entries of a tree copied into another.
pub(super) struct EntryCopy<'a>(Copy<'a>);

static NOTHING_WATCHED: LazyLock<HashSet<Identity>> = LazyLock::new(HashSet::new);

impl<'a> EntryCopy<'a> {
    /// `owners` are the recorded owners of links and FIFOs in the source.
    pub(super) fn new(root: &'a Tree, owners: LinkOwners) -> Self {
        let mut copy = Copy::new(root, Way::Flattened, &NOTHING_WATCHED);
        copy.owners = Owners::From(owners);
        Self(copy)
    }

    /// Copies anything but a folder. Names of one file become names of one copy.
    pub(super) fn entry(&mut self, source: Handle, to: &Folder, path: &Path) -> Result<(), IoError> {
        self.0.entry(source, to, path)
    }

    pub(super) fn attributes(&self, stat: &Stat, from: &Handle, to: &Handle) -> Result<(), IoError> {
        self.0.attributes(stat, from, to)
    }
}

struct Copy<'a> {
    root: &'a Tree,
    way: Way,
    /// Where files with several names are in the copy.
    links: HashMap<Identity, PathBuf>,
    watched: &'a HashSet<Identity>,
    found: HashMap<Identity, Identity>,
    owners: Owners,
}

/// Recorded owners of links and FIFOs, which are stored beside the tree.
enum Owners {
    Nowhere,
    From(LinkOwners),
    Into(RefCell<LinkOwners>),
}

impl<'a> Copy<'a> {
    fn new(root: &'a Tree, way: Way, watched: &'a HashSet<Identity>) -> Self {
        Self { root, way, links: HashMap::new(), watched, found: HashMap::new(), owners: Owners::Nowhere }
    }

    /// With the folder's own attributes.
    fn all(&mut self, from: &Folder) -> Result<(), IoError> {
        self.folder(from, Path::new(""))?;
        let source = from.itself()?;
        self.attributes(&source.stat()?, &source, &self.root.root().itself()?)
    }

    fn folder(&mut self, from: &Folder, path: &Path) -> Result<(), IoError> {
        let to = self.root.folder(path)?;
        for name in from.sorted_names()? {
            let source = match from.handle(&name) {
                // It was removed meanwhile.
                Err(error) if error.errno() == Some(Errno::NOENT) => continue,
                source => source?,
            };
            let path = path.join(&name);
            check_depth(path.as_os_str().as_bytes())?;
            self.entry(source, &to, &path)?;
        }
        Ok(())
    }

    /// `path` is the destination in the folder `to`.
    fn entry(&mut self, source: Handle, to: &Folder, path: &Path) -> Result<(), IoError> {
        let Some(name) = path.file_name() else { return Ok(()) };
        let mut stat = source.stat()?;
        let identity = (stat.st_dev, stat.st_ino);
        let kind = FileType::from_raw_mode(stat.st_mode);
        let is_beside = matches!(kind, FileType::Symlink | FileType::Fifo);
        if let Owners::From(owners) = &self.owners
            && let Some(owner) = owners.get(stat.st_ino).filter(|_| is_beside)
        {
            (stat.st_uid, stat.st_gid) = owner;
        }
        let is_there = self.way != Way::Nothing && self.make_way(kind, &source, to, name)?;
        if self.way == Way::Flattened && kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            return Ok(());
        }
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&identity) {
                let Some((folder, other)) = self.root.parent(first)? else { return Ok(()) };
                return to.hard_link(name, &folder, other);
            }
            self.links.insert(identity, path.to_owned());
        }
        let (source, copy) = self.make(source, &stat, is_there, to, path)?;
        if self.watched.contains(&identity) {
            let made = copy.stat()?;
            self.found.insert(identity, (made.st_dev, made.st_ino));
        }
        if let Owners::Into(owners) = &self.owners
            && is_beside
        {
            owners.borrow_mut().set(copy.stat()?.st_ino, (stat.st_uid, stat.st_gid));
            return to.set_times(name, &times_of(&stat));
        }
        self.attributes(&stat, &source, &copy)
    }

    /// Makes the copy with its content. Returns both as they are opened then.
    fn make(
        &mut self,
        source: Handle,
        stat: &Stat,
        is_there: bool,
        to: &Folder,
        path: &Path,
    ) -> Result<(Handle, Handle), IoError> {
        let name = path.file_name().unwrap_or_default();
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                if !is_there {
                    to.make_folder(name, 0o700)?;
                }
                self.folder(&source.folder()?, path)?;
                (source, to.handle(name)?)
            }
            FileType::RegularFile => {
                let (content, made) = (source.open_file()?, to.make_file(name, 0o600)?);
                // Never more than the original length: a program may write as fast as this reads. Shares the blocks if
                // possible.
                let mut limited = (&content).take(stat.st_size as u64);
                std::io::copy(&mut limited, &mut &made).at("copy", source.shown())?;
                let content = Handle::of_file(content, source.shown().to_owned());
                (content, Handle::of_file(made, to.shown().join(name)))
            }
            FileType::Symlink => {
                to.make_link(name, &source.read_link()?)?;
                if are_owners_recorded() && !matches!(self.owners, Owners::Into(_)) {
                    // Its recorded form may have to be another file, which is found by the name.
                    to.set_owner(name, Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))?;
                }
                (source, to.handle(name)?)
            }
            FileType::Fifo if matches!(self.owners, Owners::Into(_)) => {
                to.make_fifo(name, stat.st_mode & 0o7777)?;
                (source, to.handle(name)?)
            }
            kind => {
                to.make_node(name, kind, stat.st_mode & 0o7777, stat.st_rdev)?;
                (source, to.handle(name)?)
            }
        })
    }

    /// Removes what the copy has under the name, unless it is a folder to be merged with another one. Returns whether
    /// it is.
    fn make_way(&self, kind: FileType, source: &Handle, to: &Folder, name: &OsStr) -> Result<bool, IoError> {
        let is_merged = kind == FileType::Directory
            && to.stat(name)?.is_some_and(|there| FileType::from_raw_mode(there.st_mode) == FileType::Directory)
            && !source.xattrs()?.iter().any(|(name, _)| name.as_c_str() == OPAQUE);
        if !is_merged {
            to.remove_all(name)?;
        }
        Ok(is_merged)
    }

    fn attributes(&self, stat: &Stat, from: &Handle, to: &Handle) -> Result<(), IoError> {
        to.set_owner(Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            to.set_mode(stat.st_mode & 0o7777)?;
        }
        for (name, value) in from.xattrs()? {
            if self.way == Way::Flattened && name.to_bytes().starts_with(b"user.overlay.") {
                continue;
            }
            let of_module = name.to_bytes().starts_with(b"security.") || name.to_bytes().starts_with(b"trusted.");
            match to.set_xattr(&name, &value) {
                // Labels of security modules depend on the location.
                Err(error) if of_module && matches!(error.errno(), Some(Errno::OPNOTSUPP | Errno::PERM)) => {}
                set => set?,
            }
        }
        to.set_times(&times_of(stat))
    }
}

pub(super) fn times_of(stat: &Stat) -> Timestamps {
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 };
    Timestamps { last_access: time, last_modification: time }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn what_is_merged_hides_what_was_there() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (new, old) = (|name: &str| from.path().join(name), |name: &str| to.path().join(name));
        for folder in [new("kept"), new("new"), new("opaque"), old("kept"), old("opaque"), old("gone")] {
            std::fs::create_dir(folder).unwrap();
        }
        for file in [old("kept/a"), old("kept/b"), old("opaque/a"), old("gone/a"), new("kept/b"), new("new/a")] {
            std::fs::write(&file, file.as_os_str().as_bytes()).unwrap();
        }
        rustix::fs::setxattr(new("opaque"), OPAQUE, b"y", rustix::fs::XattrFlags::empty()).unwrap();
        let whiteout =
            rustix::fs::mknodat(rustix::fs::CWD, new("gone"), FileType::CharacterDevice, rustix::fs::Mode::empty(), 0);
        if whiteout.is_err() {
            eprintln!("skipped: whiteouts cannot be made here");
            return;
        }
        let handle = File::open(from.path()).unwrap().into();
        merge_tree(handle, to.path(), &HashSet::new()).unwrap();
        assert!(old("kept/a").exists() && old("new/a").exists() && !old("opaque/a").exists());
        assert_eq!(std::fs::read(old("kept/b")).unwrap(), new("kept/b").as_os_str().as_bytes());
        assert_eq!(old("gone").symlink_metadata().unwrap().rdev(), 0);
        assert!(!old("gone").is_dir());
    }

    #[test]
    fn a_copy_is_the_same() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(from.path().join("d")).unwrap();
        std::fs::write(from.path().join("d/file"), "x").unwrap();
        std::fs::hard_link(from.path().join("d/file"), from.path().join("link")).unwrap();
        symlink("nowhere", from.path().join("d/symlink")).unwrap();
        let old = File::options().write(true).open(from.path().join("d/file")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(77)).unwrap();
        let identity = |path: PathBuf| path.symlink_metadata().map(|found| (found.dev(), found.ino())).unwrap();
        let watched = HashSet::from([identity(from.path().join("d")), (0, 1)]);
        let found = copy_tree(from.path(), to.path(), &watched).unwrap();
        assert_eq!(found, HashMap::from([(identity(from.path().join("d")), identity(to.path().join("d")))]));
        let stat = |path: &str| std::fs::symlink_metadata(to.path().join(path)).unwrap();
        assert_eq!((stat("d/file").ino(), stat("d/file").mtime()), (stat("link").ino(), 77));
        assert_eq!(std::fs::read_link(to.path().join("d/symlink")).unwrap(), Path::new("nowhere"));
    }
}
