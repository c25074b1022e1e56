//! What one program is given in a working root: put there before it begins, and taken away when it has ended.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Timespec, Timestamps, Uid};

use super::{STANDARD, WorkingRoot};
use crate::base::foreign::{Folder, Handle};
use crate::base::io_error::{AtPath, IoError};
use crate::store::Store;
use crate::store::snapshot::{SnapshotError, View, copy_tree};

/// Something that was put into the root for one program.
#[derive(Debug, Clone)]
pub struct Placed {
    /// In the root, after all links.
    path: PathBuf,
    /// What was there before is kept beside the root under this name.
    kept: Option<String>,
    /// Folders that were made on the way, and the time of the folder around each.
    made: Vec<(PathBuf, Timestamps)>,
    /// Of the folder around it.
    around: Timestamps,
    /// The folder that had to be given a new name for it, unless it goes again: overlayfs has that in the layer, changed
    /// or not.
    lifted: Option<PathBuf>,
}

impl Placed {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn lifted(&self) -> Option<&Path> {
        self.lifted.as_deref()
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

impl WorkingRoot {
    /// Makes room for what programs find at the standard places; gives where the devices are to be.
    pub fn place_standard(&mut self) -> Result<PathBuf, SnapshotError> {
        for name in STANDARD {
            if self.tree()?.root().stat(OsStr::new(name))?.is_none() {
                self.missing.push(name);
            }
            self.place_folder(Path::new(name), 0o755)?;
        }
        Ok(self.path().join("dev"))
    }

    /// An empty folder at the target, root's. Gives where it is.
    pub fn place_folder(&mut self, target: &Path, mode: u32) -> Result<PathBuf, SnapshotError> {
        let (folder, placed) = self.make_room(target)?;
        folder.made_folder(placed.name(), mode)?;
        self.settle(&folder, placed)
    }

    /// A file at the target with that mode, owner and group.
    pub fn place_file(
        &mut self,
        target: &Path,
        content: &[u8],
        (mode, uid, gid): (u32, u32, u32),
    ) -> Result<PathBuf, SnapshotError> {
        let (folder, placed) = self.make_room(target)?;
        let mut file = folder.make_file(placed.name(), 0o600)?;
        file.write_all(content).at("write", &placed.path)?;
        folder.set_owner(placed.name(), Uid::from_raw(uid), Gid::from_raw(gid))?;
        folder.set_mode(placed.name(), mode)?;
        self.settle(&folder, placed)
    }

    /// A copy of a file or folder of rbuild's. Of a socket, another name.
    pub fn place_copy(&mut self, target: &Path, source: &Path) -> Result<PathBuf, SnapshotError> {
        let source = Handle::open(source)?;
        let (folder, placed) = self.make_room(target)?;
        let stat = source.stat()?;
        match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
            rustix::fs::FileType::Directory => {
                folder.make_folder(placed.name(), 0o700)?;
                copy_tree(source.shown(), &self.path().join(&placed.path), &Default::default())?;
            }
            rustix::fs::FileType::RegularFile => {
                let mut to = folder.make_file(placed.name(), 0o600)?;
                std::io::copy(&mut source.open_file()?, &mut to).at("copy", source.shown())?;
                folder.set_owner(placed.name(), Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))?;
                folder.set_mode(placed.name(), stat.st_mode & 0o7777)?;
            }
            _ => folder.hard_link_to(placed.name(), &source)?,
        }
        self.settle(&folder, placed)
    }

    /// The same, of what is at `path` in a stack of layers.
    pub fn place_layers(
        &mut self,
        store: &Store,
        target: &Path,
        (layers, path): (&[PathBuf], &Path),
    ) -> Result<PathBuf, SnapshotError> {
        let mut other = Self::new(store)?;
        other.bring_to(layers)?;
        self.place_copy(target, &other.path().join(path))
    }

    /// Takes away what was placed, and puts back what was there. What a program has put into folders on the way stays.
    pub fn take_back(&mut self) -> Result<(), SnapshotError> {
        let tree = self.tree()?;
        let beside = Folder::open(self.staging.path())?;
        while let Some(placed) = self.placed.pop() {
            // A program may have moved what is around.
            let Ok(Some((folder, name))) = tree.parent(&placed.path) else { continue };
            let now = times_of(&folder)?;
            folder.remove_all(name)?;
            if let Some(kept) = &placed.kept {
                beside.rename(OsStr::new(kept), &folder, name)?;
            }
            folder.set_own_times(&now)?;
            for (path, around) in placed.made.iter().rev() {
                let Ok(Some((folder, name))) = tree.parent(path) else { continue };
                if folder.remove_folder(name).is_ok() {
                    folder.set_own_times(around)?;
                }
            }
        }
        for name in std::mem::take(&mut self.missing) {
            // They stay in the layer.
            tree.root().made_folder(OsStr::new(name), 0o755)?;
        }
        Ok(())
    }

    /// The folder that is to have something new, and what was there put aside.
    fn make_room(&mut self, target: &Path) -> Result<(Folder, Placed), SnapshotError> {
        let path = View::open(&[self.path()])?.resolve(Path::new(""), target)?;
        let tree = self.tree()?;
        let mut made = Vec::new();
        let parent = path.parent().unwrap_or(Path::new(""));
        let mut ways: Vec<&Path> = parent.ancestors().filter(|way| !way.as_os_str().is_empty()).collect();
        ways.reverse();
        for way in ways {
            let Some((folder, name)) = tree.parent(way)? else { continue };
            if folder.stat(name)?.is_none() {
                made.push((way.to_owned(), times_of(&folder)?));
                folder.made_folder(name, 0o755)?;
            }
        }
        let Some((folder, name)) = tree.parent(&path)? else { return Err(SnapshotError::IsDirectory { path }) };
        let around = times_of(&folder)?;
        let mut kept = None;
        if folder.stat(name)?.is_some() {
            let beside = format!("kept-{}", self.placed.len());
            folder.rename(name, &Folder::open(self.staging.path())?, OsStr::new(&beside))?;
            kept = Some(beside);
        }
        let first_new = made.first().map_or(path.as_path(), |(way, _)| way.as_path());
        let is_placed = |path: &Path| self.placed.iter().flat_map(|placed| &placed.made).any(|(made, _)| made == path);
        let lifted = first_new.parent().filter(|path| kept.is_none() && !is_placed(path)).map(Path::to_owned);
        Ok((folder, Placed { path: path.clone(), kept, made, around, lifted }))
    }

    fn settle(&mut self, folder: &Folder, placed: Placed) -> Result<PathBuf, SnapshotError> {
        folder.set_own_times(&placed.around)?;
        let path = self.path().join(&placed.path);
        self.placed.push(placed);
        Ok(path)
    }
}

fn times_of(folder: &Folder) -> Result<Timestamps, IoError> {
    let stat = folder.status()?;
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 };
    Ok(Timestamps { last_access: time, last_modification: time })
}
