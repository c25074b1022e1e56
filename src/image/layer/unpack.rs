//! Creates files from the entries of an archive, one by one.

use std::ffi::{CString, OsStr};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::error::shown;
use super::place::{Places, clean, split, whiteout_target};
use super::{ArchiveReader, DevicePolicy, Entry, EntryKind, FileKind, LayerError, directory, xattrs};
use crate::base::foreign::{self, Folder};
use crate::base::io_error::IoError;

const WRITE_BUFFER: usize = 256 << 10;

/// What differs from the archive.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) skipped_devices: Vec<PathBuf>,
    pub(super) implied_directories: Vec<PathBuf>,
}

/// How an archive's entries are interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Owners, xattrs and devices are applied, `.wh.` names are deletions.
    Layer(DevicePolicy),
    /// Only names, modes, times and content are applied.
    Files,
}

pub(super) struct Unpacker {
    places: Places,
    meaning: Meaning,
    buffer: Box<[u8]>,
    /// Times and modes that directories get at the end: creating files in them would change the times and may need
    /// other modes.
    directories: Vec<(PathBuf, i64, u32)>,
    unpacked: Unpacked,
}

impl Unpacker {
    pub(super) fn for_layer(dir: &Path, devices: DevicePolicy) -> Result<Self, LayerError> {
        let unpacker = Self::new(Folder::open(dir)?, Meaning::Layer(devices));
        unpacker.places.root().set_own_mode(0o755)?;
        Ok(unpacker)
    }

    pub(super) fn for_files(dir: Folder) -> Self {
        Self::new(dir, Meaning::Files)
    }

    fn new(dir: Folder, meaning: Meaning) -> Self {
        let buffer = vec![0; WRITE_BUFFER].into();
        Self { places: Places::of(dir), meaning, buffer, directories: Vec::new(), unpacked: Unpacked::default() }
    }

    pub(super) fn entry<R: Read>(&mut self, entry: &Entry, archive: &mut ArchiveReader<R>) -> Result<(), LayerError> {
        let path = clean(&entry.path)?;
        let Some((parent, name)) = split(&path) else { return self.root(entry) };
        if let Meaning::Layer(_) = self.meaning {
            if parent.iter().any(|component| component.as_bytes().starts_with(b".wh.")) {
                return Err(unsafe_entry(entry, "its folder's name means a deletion"));
            }
            if let Some(target) = whiteout_target(name) {
                return self.whiteout(entry, parent, &target);
            }
        }
        self.make_parents(entry, parent)?;
        match &entry.kind {
            EntryKind::File(FileKind::Directory) => self.directory(entry, parent, name),
            EntryKind::File(FileKind::Regular) => self.file(entry, parent, name, archive),
            EntryKind::Symlink(target) => {
                self.place(parent, name, |parent| parent.make_link(name, target))?;
                self.own(entry, parent, name)?;
                self.set_time(parent, name, entry.mtime)
            }
            EntryKind::HardLink(target) => self.hard_link(entry, target, parent, name),
            EntryKind::File(kind) => self.special(entry, *kind, parent, name),
        }
    }

    /// Applies the final attributes of directories.
    pub(super) fn finish(mut self) -> Result<Unpacked, LayerError> {
        for (path, mtime, mode) in std::mem::take(&mut self.directories) {
            match split(&path) {
                None => self.set_root_time(mtime)?,
                Some((parent, name)) => {
                    if self.meaning == Meaning::Files {
                        self.set_mode(parent, name, mode)?;
                    }
                    self.set_time(parent, name, mtime)?;
                }
            }
        }
        Ok(self.unpacked)
    }

    /// The archive's own root directory. Its attributes are ignored, as in docker and containerd: a container's root is
    /// the overlay's, and many archives have the mode of the temporary folder that they were made from.
    fn root(&mut self, entry: &Entry) -> Result<(), LayerError> {
        if !matches!(entry.kind, EntryKind::File(FileKind::Directory)) {
            return Err(unsafe_entry(entry, "it would replace the root"));
        }
        Ok(())
    }

    fn directory(&mut self, entry: &Entry, parent: &Path, name: &OsStr) -> Result<(), LayerError> {
        if self.kind_at(parent, name)? != Some(FileKind::Directory) {
            self.make_directory(parent, name)?;
        }
        self.own(entry, parent, name)?;
        if self.meaning != Meaning::Files {
            self.set_mode(parent, name, entry.mode)?;
            self.set_attributes(entry, parent, name)?;
        }
        self.directories.push((parent.join(name), entry.mtime, entry.mode));
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        entry: &Entry,
        parent: &Path,
        name: &OsStr,
        archive: &mut ArchiveReader<R>,
    ) -> Result<(), LayerError> {
        let file: OwnedFd = self.place(parent, name, |parent| parent.make_file(name, 0o600))?.into();
        let io = |this: &Self, action, error: Errno| this.places.io(action, &parent.join(name), error);
        let mut end = 0;
        while let Some((offset, count)) = archive.read_data(&mut self.buffer)? {
            if is_hole(&self.buffer[..count]) {
                continue;
            }
            let written = write_at(&file, &self.buffer[..count], offset);
            written.map_err(|error| io(self, "write", error))?;
            end = offset + count as u64;
        }
        if end < entry.size {
            rustix::fs::ftruncate(&file, entry.size).map_err(|error| io(self, "write", error))?;
        }
        if self.meaning != Meaning::Files {
            let (uid, gid) = owner(entry)?;
            foreign::set_owner_of(&file, uid, gid).map_err(|error| match error {
                Errno::INVAL | Errno::PERM => not_mapped(entry),
                error => io(self, "change the owner of", error),
            })?;
        }
        // After the owner: changing that clears set-id bits and capabilities.
        let mode = Mode::from_raw_mode(entry.mode);
        foreign::set_mode_of(&file, mode).map_err(|error| io(self, "change the mode of", error))?;
        if self.meaning != Meaning::Files {
            self.set_attributes_of(&file, entry, &parent.join(name))?;
        }
        let set = rustix::fs::futimens(&file, &times(entry.mtime));
        set.map_err(|error| io(self, "set the time of", error))
    }

    fn hard_link(&mut self, entry: &Entry, target: &Path, parent: &Path, name: &OsStr) -> Result<(), LayerError> {
        let target = match clean(target) {
            Ok(target) => target,
            Err(_) => return Err(unsafe_entry(entry, "it links to a name that goes up with `..`")),
        };
        let missing = || LayerError::Malformed { entry: shown(&entry.path), reason: "it links to what is not there" };
        let Some((target_parent, target_name)) = split(&target) else {
            return Err(unsafe_entry(entry, "it links to the root"));
        };
        if (target_parent, target_name) == (parent, name) {
            return Err(LayerError::Malformed { entry: shown(&entry.path), reason: "it links to itself" });
        }
        match self.kind_at(target_parent, target_name)? {
            None | Some(FileKind::CharDevice { major: 0, minor: 0 }) => return Err(missing()),
            Some(FileKind::Directory) => return Err(unsafe_entry(entry, "it links to a directory")),
            Some(_) => {}
        }
        let source = self.places.directory(target_parent)?.ok_or_else(missing)?;
        self.place(parent, name, |parent| parent.hard_link(name, &source, target_name))
    }

    fn special(&mut self, entry: &Entry, kind: FileKind, parent: &Path, name: &OsStr) -> Result<(), LayerError> {
        let (file_type, device) = match kind {
            FileKind::CharDevice { major, minor } => (FileType::CharacterDevice, rustix::fs::makedev(major, minor)),
            FileKind::BlockDevice { major, minor } => (FileType::BlockDevice, rustix::fs::makedev(major, minor)),
            _ => (FileType::Fifo, 0),
        };
        if kind.is_whiteout() {
            return Err(unsafe_entry(entry, "as a device 0:0 it would hide what is below"));
        }
        let is_device = file_type != FileType::Fifo;
        if is_device && self.meaning == Meaning::Files {
            return Ok(());
        }
        let made = self.place(parent, name, |parent| parent.make_node(name, file_type, entry.mode, device));
        match made {
            Err(error) if is_device && is_not_permitted(&error) => {
                if self.meaning == Meaning::Layer(DevicePolicy::Fail) {
                    return Err(LayerError::DeviceNotPermitted { entry: shown(&entry.path) });
                }
                self.unpacked.skipped_devices.push(parent.join(name));
                return Ok(());
            }
            made => made?,
        }
        self.own(entry, parent, name)?;
        self.set_mode(parent, name, entry.mode)?;
        self.set_time(parent, name, entry.mtime)
    }

    /// A deletion in lower layers. This layer's own entry with the name stays: a directory then hides the lower one's
    /// content, anything else hides it anyway.
    fn whiteout(&mut self, entry: &Entry, parent: &Path, target: &OsStr) -> Result<(), LayerError> {
        if target == ".wh..opq" {
            self.make_parents(entry, parent)?;
            return self.make_opaque(parent);
        }
        if target.as_bytes().starts_with(b".wh.") {
            // Bookkeeping of AUFS, which invented the format.
            return Ok(());
        }
        if matches!(target.as_bytes(), b"" | b"." | b"..") {
            return Err(unsafe_entry(entry, "it deletes no name"));
        }
        self.make_parents(entry, parent)?;
        match self.kind_at(parent, target)? {
            Some(FileKind::Directory) => self.make_opaque(&parent.join(target)),
            Some(_) => Ok(()),
            None => self.place(parent, target, |parent| parent.make_node(target, FileType::CharacterDevice, 0, 0)),
        }
    }

    fn make_opaque(&mut self, path: &Path) -> Result<(), LayerError> {
        Ok(self.existing(path)?.set_own_xattr(xattrs::OPAQUE, b"y")?)
    }

    /// Creates the missing directories of `path`.
    fn make_parents(&mut self, entry: &Entry, path: &Path) -> Result<(), LayerError> {
        if self.places.directory(path)?.is_some() {
            return Ok(());
        }
        let Some((parent, name)) = split(path) else { return Ok(()) };
        self.make_parents(entry, parent)?;
        match self.kind_at(parent, name)? {
            None | Some(FileKind::CharDevice { major: 0, minor: 0 }) => {}
            Some(_) => return Err(unsafe_entry(entry, "its folder is a symlink that leads nowhere")),
        }
        self.make_directory(parent, name)?;
        if self.meaning != Meaning::Files {
            self.set_mode(parent, name, 0o755)?;
        }
        self.directories.push((path.to_owned(), 0, 0o755));
        self.unpacked.implied_directories.push(path.to_owned());
        Ok(())
    }

    /// A new directory; if this layer had deleted the name, the directory is opaque.
    fn make_directory(&mut self, parent: &Path, name: &OsStr) -> Result<(), LayerError> {
        let hides = self.kind_at(parent, name)?.is_some_and(FileKind::is_whiteout);
        self.place(parent, name, |parent| parent.make_folder(name, 0o755))?;
        if hides { self.make_opaque(&parent.join(name)) } else { Ok(()) }
    }

    /// Creates something called `name`, replacing whatever has that name.
    fn place<T>(
        &mut self,
        parent: &Path,
        name: &OsStr,
        create: impl Fn(&Folder) -> Result<T, IoError>,
    ) -> Result<T, LayerError> {
        match create(&*self.existing(parent)?) {
            Err(error) if error.errno() == Some(Errno::EXIST) => {}
            made => return Ok(made?),
        }
        let path = parent.join(name);
        self.directories.retain(|(directory, ..)| !directory.starts_with(&path));
        self.places.remove(parent, name)?;
        Ok(create(&*self.existing(parent)?)?)
    }

    fn kind_at(&self, parent: &Path, name: &OsStr) -> Result<Option<FileKind>, LayerError> {
        let Some(directory) = self.places.directory(parent)? else { return Ok(None) };
        Ok(directory.stat(name)?.map(|stat| directory::Status::from(stat).kind))
    }

    fn own(&self, entry: &Entry, parent: &Path, name: &OsStr) -> Result<(), LayerError> {
        if self.meaning == Meaning::Files {
            return Ok(());
        }
        let (uid, gid) = owner(entry)?;
        let owned = self.existing(parent)?.set_owner(name, uid, gid).map_err(LayerError::from);
        owned.map_err(|error| if is_not_permitted(&error) { not_mapped(entry) } else { error })
    }

    fn set_mode(&self, parent: &Path, name: &OsStr, mode: u32) -> Result<(), LayerError> {
        Ok(self.existing(parent)?.set_mode(name, mode)?)
    }

    fn set_time(&self, parent: &Path, name: &OsStr, mtime: i64) -> Result<(), LayerError> {
        Ok(self.existing(parent)?.set_times(name, &times(mtime))?)
    }

    fn set_root_time(&self, mtime: i64) -> Result<(), LayerError> {
        Ok(self.places.root().set_own_times(&times(mtime))?)
    }

    fn set_attributes(&self, entry: &Entry, parent: &Path, name: &OsStr) -> Result<(), LayerError> {
        if entry.xattrs.is_empty() {
            return Ok(());
        }
        let directory = self.existing(parent)?.folder(name)?;
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| xattrs::belongs_to_layer(name)) {
            directory.set_own_xattr(&c_name(entry, name)?, &xattrs::normalised(name, value.clone()))?;
        }
        Ok(())
    }

    fn set_attributes_of(&self, file: &OwnedFd, entry: &Entry, path: &Path) -> Result<(), LayerError> {
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| xattrs::belongs_to_layer(name)) {
            let value = xattrs::normalised(name, value.clone());
            let set = foreign::set_xattr_of(file, &c_name(entry, name)?, &value);
            set.map_err(|error| self.places.io("set an attribute of", path, error))?;
        }
        Ok(())
    }

    /// The directory at `path`, which was made before.
    fn existing(&self, path: &Path) -> Result<Arc<Folder>, LayerError> {
        self.places.directory(path)?.ok_or_else(|| self.places.io("open", path, Errno::NOENT))
    }
}

fn c_name(entry: &Entry, name: &[u8]) -> Result<CString, LayerError> {
    let reason = "an attribute's name has a NUL in it";
    CString::new(name).map_err(|_| LayerError::Malformed { entry: shown(&entry.path), reason })
}

/// Leaves out a page or more of zeros: a sparse file was stored in its layer as zeros.
fn is_hole(bytes: &[u8]) -> bool {
    bytes.len() >= 4096 && bytes.iter().all(|&byte| byte == 0)
}

fn write_at(file: impl AsFd, mut bytes: &[u8], mut offset: u64) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(&file, bytes, offset) {
            Ok(count) => {
                bytes = &bytes[count..];
                offset += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn times(mtime: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime, tv_nsec: 0 },
    }
}

/// The kernel reads an ID of all ones as "leave unchanged".
fn owner(entry: &Entry) -> Result<(Uid, Gid), LayerError> {
    if entry.uid == u32::MAX || entry.gid == u32::MAX {
        return Err(not_mapped(entry));
    }
    Ok((Uid::from_raw(entry.uid), Gid::from_raw(entry.gid)))
}

fn not_mapped(entry: &Entry) -> LayerError {
    LayerError::OwnerNotMapped { entry: shown(&entry.path), uid: entry.uid, gid: entry.gid }
}

fn unsafe_entry(entry: &Entry, reason: &'static str) -> LayerError {
    LayerError::Unsafe { entry: shown(&entry.path), reason }
}

/// EPERM, and EINVAL for an ID that has no mapping.
fn is_not_permitted(error: &LayerError) -> bool {
    let LayerError::Io(error) = error else { return false };
    matches!(Errno::from_io_error(&error.source), Some(Errno::PERM | Errno::INVAL))
}
