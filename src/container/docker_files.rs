//! Files by which programs recognise a docker container: `/.dockerenv`, and `/etc/mtab` as a link to the mount table.
//!
//! They are created with the container's upper folder, before anybody sees it. Docker has them in a layer below the
//! container's changes: `diff` does not show them, and no image contains them.

use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Timespec, Timestamps};

use super::error::ContainerError;
use crate::base::foreign::{Folder, Tree};
use crate::base::io_error::IoError;
use crate::image::layer::FileKind;
use crate::store::snapshot::{Attributes, Draft, NewFolders, Node, SnapshotError, View};

const MARK: &str = ".dockerenv";
const TABLE: &str = "/proc/mounts";

/// Creates the upper folder of a container that never ran, in an empty folder.
pub fn upper_of_new(layers: &[PathBuf], upper: &Path) -> Result<(), SnapshotError> {
    let mut draft = Draft::new(layers, upper)?;
    add(&mut draft)?;
    draft.finish().map(drop)
}

/// Adds the files to an upper folder that is being created.
pub(super) fn add(draft: &mut Draft) -> Result<(), SnapshotError> {
    let mark = Path::new(MARK);
    if draft.view().lstat(mark)?.is_none() {
        let file = draft.create_file(mark)?;
        draft.end_file(&file, mark, &Attributes { mode: 0o755, ..Attributes::default() })?;
    }
    let link = place_of_link(draft.view())?;
    let (Some(folder), Some(name)) = (link.parent(), link.file_name()) else { return Ok(()) };
    let folder = folder.to_owned();
    match draft.view().lstat(&folder)? {
        Some(entry) if !entry.is_dir() => return Ok(()),
        Some(_) => {}
        None => {
            let above = folder.parent().unwrap_or(Path::new(""));
            // A dangling link: whatever creates its target will create the folder, too.
            if !draft.view().lstat(above)?.is_some_and(|entry| entry.is_dir()) {
                return Ok(());
            }
            draft.make_dir_all(&folder, NewFolders { mode: 0o755, owner: None, mtime: None })?;
        }
    }
    let link = folder.join(name);
    match draft.view().lstat(&link)? {
        Some(entry) if entry.is_dir() => return Ok(()),
        Some(entry)
            if entry.kind == FileKind::Symlink && draft.view().read_link(&link, &entry)? == Path::new(TABLE) =>
        {
            return Ok(());
        }
        _ => {}
    }
    draft.make_node(&link, &Node::Symlink(Path::new(TABLE)), &Attributes { mode: 0o777, ..Attributes::default() })
}

/// The paths of those that are unchanged in an upper folder; `below` is the image.
pub(super) fn found(upper: &View, below: &View) -> Result<Vec<PathBuf>, ContainerError> {
    let mut found = Vec::new();
    let mark = PathBuf::from(MARK);
    if upper.lstat(&mark)?.is_some_and(|entry| entry.kind == FileKind::Regular && entry.size == 0) {
        found.push(mark);
    }
    let link = place_of_link(below)?;
    let folder = link.parent().unwrap_or(Path::new("")).to_owned();
    // If the folder was replaced by something else, the link is gone.
    let is_folder = upper.lstat(&folder).is_ok_and(|entry| entry.is_some_and(|entry| entry.is_dir()));
    if let Some(entry) = if is_folder { upper.lstat(&link)? } else { None }
        && entry.kind == FileKind::Symlink
        && upper.read_link(&link, &entry)? == Path::new(TABLE)
    {
        found.push(link);
        if below.lstat(&folder)?.is_none() {
            found.push(folder);
        }
    }
    Ok(found)
}

/// Removes them from a copy of an upper folder.
pub(super) fn remove(copy: &Path, paths: &[PathBuf]) -> Result<(), IoError> {
    let tree = Tree::beneath(Folder::open(copy)?).on_one_filesystem();
    for path in paths {
        let Some((folder, name)) = tree.parent(path)? else { continue };
        let Some(stat) = folder.stat(name)? else { continue };
        let before = folder.status()?;
        let removed = match FileType::from_raw_mode(stat.st_mode) {
            // The folder stays if the container has put something into it.
            FileType::Directory => folder.remove_folder(name).is_ok(),
            _ => folder.remove(name).map(|()| true)?,
        };
        if removed {
            let time = Timespec { tv_sec: before.st_mtime, tv_nsec: before.st_mtime_nsec as _ };
            folder.set_own_times(&Timestamps { last_access: time, last_modification: time })?;
        }
    }
    Ok(())
}

fn place_of_link(image: &View) -> Result<PathBuf, SnapshotError> {
    Ok(image.resolve(Path::new(""), Path::new("etc"))?.join("mtab"))
}
