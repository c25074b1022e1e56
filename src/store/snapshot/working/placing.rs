//! What one program is given in a working root: put there before it starts, and removed when it has ended.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Timestamps, Uid};
use rustix::io::Errno;

use super::scan::Scan;
use super::{WorkingRoot, identity_of};
use crate::base::foreign::{Folder, Handle};
use crate::base::io_error::{AtPath, IoError};
use crate::store::Store;
use crate::store::snapshot::copy_tree::{self, copy_folder};
use crate::store::snapshot::{SnapshotError, View};

/// Something that was placed in the root for one program.
#[derive(Debug)]
pub struct Placed {
    /// Its path in the root, after all links.
    path: PathBuf,
    /// A handle of it. While it is held, no other file can have its inode number.
    itself: Handle,
    /// The folder in which it was placed, wherever a program moves that.
    around: Folder,
    room: Room,
}

/// What was changed to make room for it.
#[derive(Debug)]
struct Room {
    /// What was there before is kept beside the root under this name.
    kept: Option<String>,
    /// Parent folders that were created, and the original time of the folder around each.
    made: Vec<(PathBuf, Timestamps)>,
    /// The original time of its parent folder.
    times: Timestamps,
    /// The folder that got a new name for it, unless the name is removed again: overlayfs has that folder in the layer,
    /// changed or not.
    lifted: Option<PathBuf>,
}

impl Placed {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn lifted(&self) -> Option<&Path> {
        self.room.lifted.as_deref()
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

impl WorkingRoot {
    /// An empty folder at the target with that mode, owner and group.
    pub fn place_folder(&mut self, target: &Path, (mode, uid, gid): (u32, u32, u32)) -> Result<(), SnapshotError> {
        let place = self.make_room(target)?;
        place.folder.made_folder(place.name(), mode)?;
        place.folder.set_owner(place.name(), Uid::from_raw(uid), Gid::from_raw(gid))?;
        // Changing the owner may have cleared bits of it.
        place.folder.set_mode(place.name(), mode)?;
        self.settle(place)
    }

    /// A file at the target with that mode, owner and group.
    pub fn place_file(
        &mut self,
        target: &Path,
        content: &[u8],
        (mode, uid, gid): (u32, u32, u32),
    ) -> Result<(), SnapshotError> {
        let place = self.make_room(target)?;
        let mut file = place.folder.make_file(place.name(), 0o600)?;
        file.write_all(content).at("write", &place.path)?;
        place.folder.set_owner(place.name(), Uid::from_raw(uid), Gid::from_raw(gid))?;
        place.folder.set_mode(place.name(), mode)?;
        self.settle(place)
    }

    /// A copy of a file or folder of rbuild's. A socket is hard-linked.
    pub fn place_copy(&mut self, target: &Path, source: &Handle) -> Result<(), SnapshotError> {
        let place = self.make_room(target)?;
        let (folder, name, stat) = (&place.folder, place.name(), source.stat()?);
        match source.kind()? {
            FileType::Directory => copy_folder(&source.folder()?, folder.made_folder(name, 0o700)?)?,
            FileType::RegularFile => {
                let mut to = folder.make_file(name, 0o600)?;
                std::io::copy(&mut source.open_file()?, &mut to).at("copy", source.shown())?;
                folder.set_owner(name, Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))?;
                folder.set_mode(name, stat.st_mode & 0o7777)?;
            }
            _ => folder.hard_link_to(name, source)?,
        }
        self.settle(place)
    }

    /// The same for what is at `path` in a stack of layers.
    pub fn place_layers(
        &mut self,
        store: &Store,
        target: &Path,
        (layers, path): (&[PathBuf], &Path),
    ) -> Result<(), SnapshotError> {
        let mut other = Self::new(store)?;
        other.bring_to(layers)?;
        self.place_copy(target, &other.tree()?.handle(path)?)
    }

    /// The number of things placed so far.
    pub fn count_placed(&self) -> usize {
        self.placed.len()
    }

    /// The folder that is now where the one of that number was placed, wherever a program has moved its parents; `None`
    /// if there is a link or something else instead.
    pub fn folder_placed(&self, number: usize) -> Result<Option<Folder>, SnapshotError> {
        let Some(placed) = self.placed.get(number) else { return Ok(None) };
        match placed.around.folder(placed.name()) {
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => Ok(None),
            folder => Ok(folder.map(Some)?),
        }
    }

    /// Removes what was placed, even where a program has moved or hard-linked it. With a mount, no program could have
    /// done that.
    pub(super) fn remove_strays(&self, scan: &mut Scan) -> Result<(), SnapshotError> {
        let inodes = self.placed.iter().map(|placed| Ok(placed.itself.stat()?.st_ino));
        let inodes = inodes.collect::<Result<HashSet<u64>, IoError>>()?;
        let tree = self.tree()?;
        while let Some(stray) = scan.find(|seen| inodes.contains(&seen.inode())) {
            if let Some((folder, name)) = tree.parent(&stray)? {
                let now = times_of(&folder)?;
                folder.remove_all(name)?;
                folder.set_own_times(&now)?;
            }
            scan.forget(&stray);
        }
        Ok(())
    }

    /// Removes what was placed, and restores what was there. Whatever a program has put into created parent folders
    /// stays.
    pub fn take_back(&mut self) -> Result<(), SnapshotError> {
        let tree = self.tree()?;
        let beside = Folder::open(self.beside())?;
        while let Some(placed) = self.placed.pop() {
            // A program may have moved its parents.
            let Ok(Some((folder, name))) = tree.parent(&placed.path) else { continue };
            let now = times_of(&folder)?;
            folder.remove_all(name)?;
            // A folder that replaced the original one never had it.
            if let Some(kept) = &placed.room.kept
                && identity_of(&folder)? == identity_of(&placed.around)?
            {
                beside.rename(OsStr::new(kept), &folder, name)?;
            }
            folder.set_own_times(&now)?;
            for (path, around) in placed.room.made.iter().rev() {
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

    /// Creates the missing parent folders of the target, and the target if nothing is there. They stay.
    pub fn make_folders(&self, target: &Path) -> Result<(), SnapshotError> {
        let path = View::open(&[self.path()])?.resolve(Path::new(""), target)?;
        let tree = self.tree()?;
        for way in ways_to(&path) {
            let Some((folder, name)) = tree.parent(way)? else { continue };
            if folder.stat(name)?.is_none() {
                folder.made_folder(name, 0o755)?;
            }
        }
        Ok(())
    }

    /// Frees the target: moves aside what is there.
    fn make_room(&mut self, target: &Path) -> Result<Place, SnapshotError> {
        let path = View::open(&[self.path()])?.resolve(Path::new(""), target)?;
        let tree = self.tree()?;
        let mut made = Vec::new();
        for way in ways_to(path.parent().unwrap_or(Path::new(""))) {
            let Some((folder, name)) = tree.parent(way)? else { continue };
            if folder.stat(name)?.is_none() {
                made.push((way.to_owned(), times_of(&folder)?));
                folder.made_folder(name, 0o755)?;
            }
        }
        let Some((folder, name)) = tree.parent(&path)? else { return Err(SnapshotError::IsDirectory { path }) };
        let times = times_of(&folder)?;
        let mut kept = None;
        if folder.stat(name)?.is_some() {
            let beside = format!("kept-{}", self.placed.len());
            folder.rename(name, &Folder::open(self.beside())?, OsStr::new(&beside))?;
            kept = Some(beside);
        }
        let first_new = made.first().map_or(path.as_path(), |(way, _)| way.as_path());
        let was_made =
            |path: &Path| self.placed.iter().flat_map(|placed| &placed.room.made).any(|(made, _)| made == path);
        let lifted = first_new.parent().filter(|path| kept.is_none() && !was_made(path)).map(Path::to_owned);
        Ok(Place { path, folder, room: Room { kept, made, times, lifted } })
    }

    fn settle(&mut self, Place { path, folder, room }: Place) -> Result<(), SnapshotError> {
        folder.set_own_times(&room.times)?;
        let itself = folder.handle(path.file_name().unwrap_or_default())?;
        self.placed.push(Placed { path, itself, around: folder, room });
        Ok(())
    }
}

/// The target and its parent folders, from the root down.
fn ways_to(path: &Path) -> Vec<&Path> {
    let mut ways: Vec<&Path> = path.ancestors().filter(|way| !way.as_os_str().is_empty()).collect();
    ways.reverse();
    ways
}

/// A free target, where something can be created.
struct Place {
    path: PathBuf,
    folder: Folder,
    room: Room,
}

impl Place {
    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

fn times_of(folder: &Folder) -> Result<Timestamps, IoError> {
    Ok(copy_tree::times_of(&folder.status()?))
}
