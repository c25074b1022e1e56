//! A new layer being written on top of a stack, by file operations alone: without a mount, so the only privilege needed
//! is to change owners.
//!
//! Folders of lower layers are copied up into the draft before anything is put into them, with the same attributes and
//! times, so that the layer does not change them otherwise.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Gid, Mode, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::layer_folder::kind_of;
use super::{Entry, Lower, Owner, SnapshotError, View};
use crate::base::foreign::{self, Folder, Stat};
use crate::base::io_error::{AtPath, IoError};
use crate::image::layer::FileKind;

/// The attributes of a file or folder.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// Permission bits with setuid, setgid and sticky; a symbolic link has none.
    pub mode: u32,
    pub owner: Owner,
    /// Seconds since 1970; `None` for the time of writing.
    pub mtime: Option<i64>,
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// The attributes of parent folders that are created implicitly.
#[derive(Debug, Clone, Copy)]
pub struct NewFolders {
    pub mode: u32,
    /// Their owner. `None` for root, with the group that a setgid folder passes on.
    pub owner: Option<Owner>,
    pub mtime: Option<i64>,
}

impl NewFolders {
    /// The attributes of such a folder below `above`: the kernel passes setgid on, whoever creates the folder.
    fn within(self, above: Option<&Entry>) -> Attributes {
        const SETGID: u32 = 0o2000;
        let handed_on = above.filter(|above| above.mode & SETGID != 0);
        let (inherited, gid) = handed_on.map_or((0, 0), |above| (SETGID, above.owner.gid));
        let owner = self.owner.unwrap_or(Owner { uid: 0, gid });
        Attributes { mode: self.mode | inherited, owner, mtime: self.mtime, ..Attributes::default() }
    }
}

/// Anything but a file or a folder.
#[derive(Debug, Clone)]
pub enum Node<'a> {
    Symlink(&'a Path),
    Fifo,
    CharDevice(u64),
    BlockDevice(u64),
}

/// The layer being written, and what is below it.
pub struct Draft {
    view: View,
    directory: PathBuf,
    /// The final times of folders, set when nothing is put into them any longer.
    folder_times: BTreeMap<PathBuf, i64>,
    now: i64,
    /// The upper limit of all times.
    latest_time: i64,
    /// Folders that were removed, where something that is not a folder will be created.
    cleared: Vec<PathBuf>,
}

impl Draft {
    /// Starts a layer in the empty folder `directory`, on top of the finished layers `lower` (the lowest first).
    pub fn new(lower: &[PathBuf], directory: &Path) -> Result<Self, SnapshotError> {
        Self::over(&lower.iter().cloned().map(Lower::Folder).collect::<Vec<_>>(), directory)
    }

    /// The same on top of layers, some of which may be only outlined.
    pub fn over(lower: &[Lower], directory: &Path) -> Result<Self, SnapshotError> {
        let below = View::over(lower)?;
        let root = below.lstat(Path::new(""))?;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
        let mut draft = Self {
            view: below.below(directory)?,
            directory: directory.to_owned(),
            folder_times: BTreeMap::new(),
            now,
            latest_time: i64::MAX,
            cleared: Vec::new(),
        };
        // No layer archive has a mode for its root, and docker's is always the same.
        let attributes = match &root {
            Some(root) => Attributes { mode: 0o755, ..attributes_of(root) },
            None => Attributes { mode: 0o755, mtime: Some(0), ..Attributes::default() },
        };
        draft.set_attributes(Path::new(""), &attributes)?;
        Ok(draft)
    }

    /// Limits all times to this one, if given.
    pub fn no_later_than(mut self, seconds: Option<i64>) -> Self {
        self.latest_time = seconds.unwrap_or(i64::MAX);
        self
    }

    /// The current tree, including the draft.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// When the draft was started, in seconds since 1970.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Creates a folder. An existing entry is replaced, and must not be a folder.
    pub fn make_dir(&mut self, path: &Path, attributes: &Attributes) -> Result<(), SnapshotError> {
        self.make_way(path)?;
        let (folder, name) = self.parent(path)?;
        folder.make_folder(name, 0o700)?;
        self.view.set_directory(path, Arc::new([0]));
        self.set_attributes(path, attributes)
    }

    /// Creates the folder and its missing parents; returns the ones it created. `path` must be resolved.
    pub fn make_dir_all(&mut self, path: &Path, folders: NewFolders) -> Result<Vec<PathBuf>, SnapshotError> {
        let mut made = Vec::new();
        let mut ancestors: Vec<&Path> = path.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
        ancestors.reverse();
        for ancestor in ancestors {
            match self.view.lstat(ancestor)? {
                Some(entry) if entry.is_dir() => {}
                Some(_) => return Err(SnapshotError::NotDirectory { path: ancestor.to_owned() }),
                None => {
                    let above = self.view.lstat(ancestor.parent().unwrap_or(Path::new("")))?;
                    self.make_dir(ancestor, &folders.within(above.as_ref()))?;
                    made.push(ancestor.to_owned());
                }
            }
        }
        Ok(made)
    }

    /// Creates an empty file, replacing what is there unless it is a folder. Call `end_file` when it is complete.
    pub fn create_file(&mut self, path: &Path) -> Result<File, SnapshotError> {
        Ok(self.make_new(path, |folder, name| folder.make_file(name, 0o600))??)
    }

    /// Sets the attributes of a file from `create_file`, now that it is complete. Returns its size.
    pub fn end_file(&mut self, file: &File, path: &Path, attributes: &Attributes) -> Result<u64, SnapshotError> {
        let found = rustix::fs::fstat(file).and_then(|stat| foreign::seen_of(file, stat));
        let stat = found.at("read", self.host_path(path))?;
        let owner = attributes.owner;
        if (stat.st_uid, stat.st_gid) != (owner.uid, owner.gid) {
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            foreign::set_owner_of(file, uid, gid).at("change the owner of", self.host_path(path))?;
        }
        // After the owner: changing that clears setuid and setgid.
        let mode = Mode::from_raw_mode(attributes.mode);
        foreign::set_mode_of(file, mode).at("change the mode of", self.host_path(path))?;
        for (key, value) in &attributes.xattrs {
            foreign::set_xattr_of(file, &c_name(key), value).at("set the attributes of", self.host_path(path))?;
        }
        let times = self.times(attributes.mtime.unwrap_or(self.now));
        rustix::fs::futimens(file, &times).at("set the time of", self.host_path(path))?;
        Ok(stat.st_size as u64)
    }

    /// Creates a link, fifo or device, replacing what is there unless it is a folder.
    pub fn make_node(&mut self, path: &Path, node: &Node<'_>, attributes: &Attributes) -> Result<(), SnapshotError> {
        self.make_way(path)?;
        let (folder, name) = self.parent(path)?;
        match node {
            Node::Symlink(target) => folder.make_link(name, target)?,
            Node::Fifo => folder.make_node(name, FileType::Fifo, 0o600, 0)?,
            Node::CharDevice(number) => folder.make_node(name, FileType::CharacterDevice, 0o600, *number)?,
            Node::BlockDevice(number) => folder.make_node(name, FileType::BlockDevice, 0o600, *number)?,
        }
        self.set_own_attributes(path, attributes)
    }

    /// Gives the file `existing` the second name `path`. A file of a lower layer is copied up first.
    pub fn hard_link(&mut self, existing: &Path, path: &Path) -> Result<(), SnapshotError> {
        self.lift_file(existing)?;
        self.make_way(path)?;
        let (from, old) = self.parent(existing)?;
        let (folder, name) = self.parent(path)?;
        Ok(folder.hard_link(name, &from, old)?)
    }

    /// Hard-links the file `name` of the folder `from`, which belongs to another layer of the same store, to `path`
    /// here; false if the filesystem can't.
    pub fn link_from(&mut self, from: &Folder, name: &OsStr, path: &Path) -> Result<bool, SnapshotError> {
        match self.make_new(path, |folder, new| folder.hard_link(new, from, name))? {
            Ok(()) => Ok(true),
            Err(error) => match error.errno() {
                Some(Errno::MLINK | Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::NOENT) => Ok(false),
                _ => Err(error)?,
            },
        }
    }

    /// Removes what is at `path`, recursively, to make room for something else: until that is created, nothing hides
    /// what the lower layers have there.
    pub fn clear(&mut self, path: &Path) -> Result<(), SnapshotError> {
        match self.view.lstat(path)? {
            Some(entry) if entry.is_dir() => {
                // A folder that exists only in lower layers has no entry here.
                if let Some(parent) = path.parent()
                    && self.view.directory(parent)?.first() == Some(&0)
                {
                    let (folder, name) = self.parent(path)?;
                    folder.remove_all(name)?;
                }
                self.view.top()?.forget();
                self.folder_times.retain(|known, _| !known.starts_with(path));
                self.view.forget_directories(path);
                self.cleared.push(path.to_owned());
            }
            Some(entry) if entry.layer == 0 => {
                let (folder, name) = self.parent(path)?;
                folder.remove(name)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Sets the attributes of what is at `path`. A folder of a lower layer is copied up first; a file must belong to
    /// the draft.
    pub fn set_attributes(&mut self, path: &Path, attributes: &Attributes) -> Result<(), SnapshotError> {
        self.lift(path)?;
        self.set_own_attributes(path, attributes)
    }

    /// The same for an entry of the draft.
    fn set_own_attributes(&mut self, path: &Path, attributes: &Attributes) -> Result<(), SnapshotError> {
        let kind = match path.file_name() {
            None => self.set_root_attributes(attributes)?,
            Some(_) => self.set_attributes_within(path, attributes)?,
        };
        let mtime = attributes.mtime.unwrap_or(self.now);
        if kind == FileKind::Directory {
            self.folder_times.insert(path.to_owned(), mtime);
        } else {
            self.set_time(path, mtime)?;
        }
        Ok(())
    }

    fn set_root_attributes(&self, attributes: &Attributes) -> Result<FileKind, SnapshotError> {
        let root = self.view.top()?.root();
        if let Some((uid, gid)) = new_owner(&root.status()?, attributes.owner) {
            root.set_own_owner(uid, gid)?;
        }
        root.set_own_mode(attributes.mode)?;
        for (key, value) in &attributes.xattrs {
            root.set_own_xattr(&c_name(key), value)?;
        }
        Ok(FileKind::Directory)
    }

    fn set_attributes_within(&self, path: &Path, attributes: &Attributes) -> Result<FileKind, SnapshotError> {
        let (folder, name) = self.parent(path)?;
        let handle = folder.handle(name)?;
        let stat = handle.stat()?;
        let kind = kind_of(&stat);
        if let Some((uid, gid)) = new_owner(&stat, attributes.owner) {
            match kind {
                // Its recorded form may have to be another file.
                FileKind::Symlink => folder.set_owner(name, uid, gid)?,
                _ => handle.set_owner(uid, gid)?,
            }
        }
        // After the owner: changing that clears setuid and setgid.
        if kind != FileKind::Symlink {
            handle.set_mode(attributes.mode)?;
        }
        for (key, value) in &attributes.xattrs {
            handle.set_xattr(&c_name(key), value)?;
        }
        Ok(kind)
    }

    /// Sets the final time of a folder. A folder of a lower layer is copied up first.
    pub fn set_folder_time(&mut self, path: &Path, mtime: i64) -> Result<(), SnapshotError> {
        self.lift(path)?;
        self.folder_times.insert(path.to_owned(), mtime);
        Ok(())
    }

    /// Ends the draft: its folder is the finished layer.
    pub fn finish(self) -> Result<(), SnapshotError> {
        for (path, mtime) in self.folder_times.iter().rev() {
            self.set_time(path, *mtime)?;
        }
        Ok(())
    }

    /// Copies the folder `path` of a lower layer up into the draft. Does nothing if the draft already has it.
    fn lift(&mut self, path: &Path) -> Result<(), SnapshotError> {
        let layers = self.view.directory(path)?;
        if layers.is_empty() || layers[0] == 0 {
            return Ok(());
        }
        let Some(parent) = path.parent() else { return Ok(()) };
        self.lift(parent)?;
        let Some(entry) = self.view.lstat(path)? else { return Ok(()) };
        let (folder, name) = self.parent(path)?;
        folder.make_folder(name, 0o700)?;
        self.view.set_directory(path, [0].iter().chain(layers.iter()).copied().collect());
        self.set_attributes(path, &attributes_of(&entry))
    }

    /// Copies the regular file `path` of a lower layer up into the draft.
    fn lift_file(&mut self, path: &Path) -> Result<(), SnapshotError> {
        let entry = self.view.lstat(path)?.filter(|entry| entry.layer != 0 && entry.kind == FileKind::Regular);
        let Some(entry) = entry else { return Ok(()) };
        let mut below = self.view.open_file(path, &entry)?;
        let attributes = Attributes { xattrs: self.view.xattrs(path, &entry)?, ..attributes_of(&entry) };
        let mut file = self.create_file(path)?;
        std::io::copy(&mut below, &mut file).at("copy", self.host_path(path))?;
        self.end_file(&file, path, &attributes).map(drop)
    }

    /// Creates something new at `path` by `make`, which gets its folder and name and must fail if something is there.
    /// In a folder that only the draft has, that is the only check.
    fn make_new<T>(
        &mut self,
        path: &Path,
        make: impl Fn(&Folder, &OsStr) -> Result<T, IoError>,
    ) -> Result<Result<T, IoError>, SnapshotError> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if *self.view.directory(parent)? == [0] {
            let (folder, name) = self.parent(path)?;
            match make(&folder, name) {
                Err(error) if error.errno() == Some(Errno::EXIST) => {}
                made => return Ok(made),
            }
        }
        self.make_way(path)?;
        let (folder, name) = self.parent(path)?;
        Ok(make(&folder, name))
    }

    /// Makes room for something new at `path`: its folder exists, and nothing else is there.
    fn make_way(&mut self, path: &Path) -> Result<(), SnapshotError> {
        let parent = path.parent().unwrap_or(Path::new(""));
        self.lift(parent)?;
        let Some(entry) = self.view.lstat(path)? else { return Ok(()) };
        if entry.is_dir() {
            if self.cleared.last().is_some_and(|cleared| cleared == path) {
                self.cleared.pop();
                return Ok(());
            }
            return Err(SnapshotError::IsDirectory { path: path.to_owned() });
        }
        if entry.layer == 0 {
            let (folder, name) = self.parent(path)?;
            folder.remove(name)?;
        }
        Ok(())
    }

    fn set_time(&self, path: &Path, mtime: i64) -> Result<(), SnapshotError> {
        let times = self.times(mtime);
        if path.file_name().is_none() {
            return Ok(self.view.top()?.root().set_own_times(&times)?);
        }
        let (folder, name) = self.parent(path)?;
        Ok(folder.set_times(name, &times)?)
    }

    fn times(&self, mtime: i64) -> Timestamps {
        let time = Timespec { tv_sec: mtime.min(self.latest_time), tv_nsec: 0 };
        Timestamps { last_access: time, last_modification: time }
    }

    /// The draft's parent folder of `path`, and the last name.
    fn parent<'a>(&self, path: &'a Path) -> Result<(Arc<Folder>, &'a OsStr), SnapshotError> {
        // A view always has the draft as its topmost layer.
        Ok(self.view.top()?.parent(path)?)
    }

    /// The folder that the layer is written to.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn host_path(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}

/// The attributes of an entry, to be set on its copy.
fn attributes_of(entry: &Entry) -> Attributes {
    Attributes { mode: entry.mode, owner: entry.owner, mtime: Some(entry.mtime), xattrs: Vec::new() }
}

/// The owner to set; `None` if it is already right.
fn new_owner(stat: &Stat, owner: Owner) -> Option<(Uid, Gid)> {
    ((stat.st_uid, stat.st_gid) != (owner.uid, owner.gid)).then(|| (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid)))
}

/// An attribute's name for the kernel. A name with a NUL becomes the empty one, which the kernel refuses.
fn c_name(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}
