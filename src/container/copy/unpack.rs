//! Unpacks a tar stream below a target and nowhere else, whatever it contains. As in docker, existing files are
//! replaced, but folders are kept, and a folder is never replaced by something else.

use std::io::Read;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Gid, Timespec, Timestamps, UTIME_OMIT, Uid, makedev};
use rustix::io::Errno;

use super::place::Target;
use super::{CopyError, Owners, Unpacking};
use crate::base::foreign::{Folder, Handle, Tree};
use crate::base::io_error::IoError;
use crate::image::layer::{ArchiveLimits, ArchiveReader, Entry, EntryKind, FileKind, LayerError};

const BUFFER: usize = 128 << 10;

/// Where a stream is unpacked.
pub(super) struct Receiver {
    /// Names are resolved in this tree.
    pub(super) tree: Tree,
    /// The folder in the tree to which they are relative.
    pub(super) below: PathBuf,
    /// The name with which all names must start, if set.
    pub(super) name: Option<PathBuf>,
    pub(super) how: Unpacking,
}

impl Receiver {
    /// Only for what is below a target.
    pub(super) fn of(target: Target, owners: Owners) -> Self {
        let Target { folder, name } = target;
        let name = Some(name).filter(|name| name != Path::new("."));
        let how = Unpacking { owners, replaces_folders: false };
        Self { tree: Tree::beneath(folder), below: PathBuf::new(), name, how }
    }
}

/// Returns the stream after reading all of it.
pub(super) fn unpack<R: Read>(stream: R, receiver: &Receiver) -> Result<R, CopyError> {
    let limits = ArchiveLimits { entries: u64::MAX, content_bytes: u64::MAX, ..ArchiveLimits::default() };
    let mut archive = ArchiveReader::new(stream, limits);
    let mut unpacker = Unpacker { receiver, folders: Vec::new(), not_made: None, buffer: vec![0; BUFFER] };
    while let Some(entry) = archive.next_entry().map_err(of_archive)? {
        unpacker.entry(&entry, &mut archive)?;
    }
    archive.drain().map_err(of_archive)?;
    unpacker.settle()?;
    Ok(archive.into_inner())
}

struct Unpacker<'a> {
    receiver: &'a Receiver,
    /// The final modes and times of folders: writing in a folder changes its time, and its mode may forbid that.
    folders: Vec<(PathBuf, u32, i64)>,
    /// The first device that could not be created.
    not_made: Option<CopyError>,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, entry: &Entry, archive: &mut ArchiveReader<R>) -> Result<(), CopyError> {
        let path = self.checked(&entry.path)?;
        // The folder into which everything is copied exists and is not changed.
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        let folder = self.parent(parent)?;
        let mut old = folder.stat(name).map_err(failed)?.map(|stat| FileType::from_raw_mode(stat.st_mode));
        let is_directory = entry.kind == EntryKind::File(FileKind::Directory);
        let shown = folder.shown().join(name);
        match (old, is_directory) {
            (None, _) => {}
            (Some(FileType::Directory), true) => {}
            (Some(_), _) if self.receiver.how.replaces_folders => {
                folder.remove_all(name).map_err(failed)?;
                old = None;
            }
            (Some(FileType::Directory), false) => {
                let what = format!("cannot overwrite directory {:?} with non-directory {path:?}", shown);
                return Err(CopyError(what));
            }
            (Some(_), true) => {
                let what = format!("cannot overwrite non-directory {:?} with directory {path:?}", shown);
                return Err(CopyError(what));
            }
            (Some(_), false) => folder.remove(name).map_err(failed)?,
        }
        match &entry.kind {
            EntryKind::File(FileKind::Directory) => {
                if old.is_none() {
                    folder.make_folder(name, 0o700).map_err(failed)?;
                }
                let made = folder.folder(name).and_then(|made| made.itself()).map_err(failed)?;
                self.give(&made, entry)?;
                self.folders.push((path, entry.mode, entry.mtime));
                return Ok(());
            }
            EntryKind::File(FileKind::Regular) => {
                let file = folder.make_file(name, 0o600).map_err(failed)?;
                self.fill(&file, entry, archive, &shown)?;
            }
            EntryKind::Symlink(target) => folder.make_link(name, target).map_err(failed)?,
            EntryKind::HardLink(target) => {
                let target = self.checked(target)?;
                let (Some(parent), Some(other)) = (target.parent(), target.file_name()) else {
                    return Err(CopyError(format!("{} is a link to no file", path.display())));
                };
                return folder.hard_link(name, &self.parent(parent)?, other).map_err(failed);
            }
            EntryKind::File(kind) => match make_node(&folder, name.as_ref(), *kind, entry.mode) {
                // Everything else is copied first.
                Err(error) if error.errno() == Some(Errno::PERM) => {
                    self.not_made.get_or_insert_with(|| failed(error));
                    return Ok(());
                }
                made => made.map_err(failed)?,
            },
        }
        self.finish(&folder.handle(name).map_err(failed)?, entry)
    }

    /// Checks the name, and returns its path below the target.
    fn checked(&self, path: &Path) -> Result<PathBuf, CopyError> {
        let mut clean = PathBuf::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => clean.push(name),
                Component::ParentDir if clean.pop() => {}
                Component::ParentDir => return Err(leads_out(path)),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        match &self.receiver.name {
            Some(name) if !clean.starts_with(name) => Err(leads_out(path)),
            _ => Ok(clean),
        }
    }

    /// The parent folder at a clean path; missing folders are created.
    fn parent(&self, path: &Path) -> Result<Folder, CopyError> {
        let Receiver { tree, below, .. } = self.receiver;
        match tree.folder(&below.join(path)) {
            Err(error) if error.errno() == Some(Errno::NOENT) => {}
            folder => return folder.map_err(failed),
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(CopyError(format!("{} has gone", tree.root().shown().join(below).display())));
        };
        let folder = self.parent(parent)?;
        folder.make_folder(name, 0o755).map_err(failed)?;
        folder.folder(name).map_err(failed)
    }

    fn fill<R: Read>(
        &mut self,
        file: &std::fs::File,
        entry: &Entry,
        archive: &mut ArchiveReader<R>,
        shown: &Path,
    ) -> Result<(), CopyError> {
        let failed = |error: std::io::Error| CopyError::new("write", shown, &error);
        while let Some((offset, count)) = archive.read_data(&mut self.buffer).map_err(of_archive)? {
            file.write_all_at(&self.buffer[..count], offset).map_err(failed)?;
        }
        file.set_len(entry.size).map_err(failed)
    }

    fn give(&self, made: &Handle, entry: &Entry) -> Result<(), CopyError> {
        let (uid, gid) = match self.receiver.how.owners {
            Owners::Own => return Ok(()),
            Owners::Kept => (entry.uid, entry.gid),
            Owners::Given(uid, gid) => (uid, gid),
        };
        made.set_owner(Uid::from_raw(uid), Gid::from_raw(gid)).map_err(failed)
    }

    /// Sets owner, mode, capabilities and time, in an order in which none resets another.
    fn finish(&self, made: &Handle, entry: &Entry) -> Result<(), CopyError> {
        self.give(made, entry)?;
        if !matches!(entry.kind, EntryKind::Symlink(_)) {
            made.set_mode(entry.mode).map_err(failed)?;
        }
        if entry.kind == EntryKind::File(FileKind::Regular) {
            let capabilities = entry.xattrs.iter().filter(|(name, _)| name == super::CAPABILITY.to_bytes());
            for (_, value) in capabilities {
                match made.set_xattr(super::CAPABILITY, value) {
                    // Not every filesystem supports them, and not every user may set them.
                    Err(error) if matches!(error.errno(), Some(Errno::OPNOTSUPP | Errno::PERM)) => {}
                    set => set.map_err(failed)?,
                }
            }
        }
        made.set_times(&times(entry.mtime)).map_err(failed)
    }

    /// Sets modes and times of folders, the innermost first.
    fn settle(self) -> Result<(), CopyError> {
        let Receiver { tree, below, .. } = self.receiver;
        for (path, mode, mtime) in self.folders.iter().rev() {
            let folder = tree.handle(&below.join(path)).map_err(failed)?;
            folder.set_mode(*mode).map_err(failed)?;
            folder.set_times(&times(*mtime)).map_err(failed)?;
        }
        self.not_made.map_or(Ok(()), Err)
    }
}

fn make_node(folder: &Folder, name: &Path, kind: FileKind, mode: u32) -> Result<(), IoError> {
    let (kind, device) = match kind {
        FileKind::CharDevice { major, minor } => (FileType::CharacterDevice, makedev(major, minor)),
        FileKind::BlockDevice { major, minor } => (FileType::BlockDevice, makedev(major, minor)),
        _ => (FileType::Fifo, 0),
    };
    folder.make_node(name.as_os_str(), kind, mode & 0o777, device)
}

fn times(mtime: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime, tv_nsec: 0 },
    }
}

fn leads_out(path: &Path) -> CopyError {
    CopyError(format!("the archive has a name that does not belong to the copy: {path:?}"))
}

fn failed(error: IoError) -> CopyError {
    CopyError(format!("cannot {} {}: {}", error.action, error.path.display(), error.source))
}

fn of_archive(error: LayerError) -> CopyError {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    CopyError(format!("{error}{cause}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    fn below(folder: &Path, name: &str) -> Receiver {
        let tree = Tree::beneath(Folder::open(folder).unwrap());
        let how = Unpacking { owners: Owners::Own, replaces_folders: false };
        Receiver { tree, below: PathBuf::new(), name: Some(name.into()), how }
    }

    fn header(kind: tar::EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header
    }

    fn archive(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        fill(&mut archive);
        archive.into_inner().unwrap()
    }

    #[test]
    fn nothing_is_unpacked_outside() {
        let place = tempfile::tempdir().unwrap();
        let inside = place.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(place.path().join("host"), "host").unwrap();
        symlink(place.path(), inside.join("old")).unwrap();
        let file = header(tar::EntryType::Regular, 1);
        let attacks = [
            archive(|archive| {
                let mut link = header(tar::EntryType::Symlink, 0);
                archive.append_link(&mut link, "copy/way", place.path()).unwrap();
                archive.append_data(&mut file.clone(), "copy/way/out", &b"x"[..]).unwrap();
            }),
            archive(|archive| archive.append_data(&mut file.clone(), "beside", &b"x"[..]).unwrap()),
            archive(|archive| archive.append_data(&mut file.clone(), "old/out", &b"x"[..]).unwrap()),
            archive(|archive| {
                let mut raw = file.clone();
                raw.as_mut_bytes()[..11].copy_from_slice(b"copy/../../");
                raw.as_mut_bytes()[11..14].copy_from_slice(b"out");
                raw.set_cksum();
                archive.append(&raw, &b"x"[..]).unwrap();
            }),
            archive(|archive| {
                let mut link = header(tar::EntryType::Link, 0);
                archive.append_link(&mut link, "copy", "old/host").unwrap();
            }),
        ];
        for (number, attack) in attacks.iter().enumerate() {
            assert!(unpack(attack.as_slice(), &below(&inside, "copy")).is_err(), "{number}");
            assert!(!place.path().join("out").exists() && !inside.join("beside").exists(), "{number}");
            let host = place.path().join("host").metadata().unwrap();
            assert_eq!((host.nlink(), host.len()), (1, 4), "{number}");
        }
    }

    #[test]
    fn what_is_there_gives_way_but_folders() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("copy/folder")).unwrap();
        let twice = archive(|archive| {
            archive.append_data(&mut header(tar::EntryType::Regular, 1), "copy/file", &b"x"[..]).unwrap();
            archive.append_link(&mut header(tar::EntryType::Link, 0), "copy/second", "copy/file").unwrap();
            archive.append_data(&mut header(tar::EntryType::Fifo, 0), "copy/fifo", std::io::empty()).unwrap();
        });
        for _ in 0..2 {
            unpack(twice.as_slice(), &below(place.path(), "copy")).unwrap();
        }
        assert_eq!(place.path().join("copy/file").metadata().unwrap().nlink(), 2);
        let over = |kind, name: &str| {
            let attack = archive(|archive| archive.append_data(&mut header(kind, 0), name, std::io::empty()).unwrap());
            unpack(attack.as_slice(), &below(place.path(), "copy")).unwrap_err().0
        };
        let replacing =
            Receiver { how: Unpacking { owners: Owners::Own, replaces_folders: true }, ..below(place.path(), "other") };
        std::fs::create_dir_all(place.path().join("other/folder/full")).unwrap();
        std::fs::write(place.path().join("other/file"), "").unwrap();
        let swapped = archive(|archive| {
            archive.append_data(&mut header(tar::EntryType::Regular, 1), "other/folder", &b"x"[..]).unwrap();
            archive.append_data(&mut header(tar::EntryType::Directory, 0), "other/file", std::io::empty()).unwrap();
        });
        unpack(swapped.as_slice(), &replacing).unwrap();
        assert!(place.path().join("other/folder").is_file() && place.path().join("other/file").is_dir());
        assert!(over(tar::EntryType::Regular, "copy/folder").starts_with("cannot overwrite directory"));
        assert!(over(tar::EntryType::Directory, "copy/file").starts_with("cannot overwrite non-directory"));
    }
}
