//! Writes a merged root filesystem as a tar stream, or to a folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, makedev};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};

use super::layer_folder::xattrs_of_file;
use super::populate::set_time;
use super::{Entry, SnapshotError, View};
use crate::base::foreign::{ExactLength, Folder, Handle, LastFolder, Tree};
use crate::base::io_error::{AtPath, IoError};
use crate::image::layer::FileKind;

/// Calls `visit` for everything in the view, folders before their content, names in byte order.
pub(super) fn walk(
    view: &View,
    folder: &Path,
    visit: &mut dyn FnMut(&Path, &Entry) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    for (name, entry) in view.read_dir(folder)? {
        let path = folder.join(name);
        visit(&path, &entry)?;
        if entry.is_dir() {
            walk(view, &path, visit)?;
        }
    }
    Ok(())
}

/// Writes the view as a tar archive, as `docker export` does.
pub fn export_tar(view: &View, out: impl Write) -> Result<(), SnapshotError> {
    export_tar_folders(&[(PathBuf::new(), view)], out)
}

/// Writes several views to one tar archive, each to its own folder.
pub fn export_tar_folders(views: &[(PathBuf, &View)], out: impl Write) -> Result<(), SnapshotError> {
    let mut archive = Builder::new(out);
    for (folder, view) in views {
        if !folder.as_os_str().is_empty() {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            archive.append_data(&mut header, folder, io::empty()).at("write", folder)?;
        }
        let mut links: HashMap<(u64, u64), PathBuf> = HashMap::new();
        walk(view, Path::new(""), &mut |path, entry| append(view, &mut archive, &mut links, (folder, path), entry))?;
    }
    archive.finish().at("write", "the archive")?;
    archive.into_inner().at("write", "the archive")?.flush().at("write", "the archive")?;
    Ok(())
}

/// Extended attributes, by name.
type Attributes = Vec<(String, Vec<u8>)>;

/// The data of an entry besides its header.
enum Body {
    File(File),
    Link(PathBuf),
    /// Another name for something that is already in the archive.
    Second(PathBuf),
    Nothing,
}

fn append(
    view: &View,
    archive: &mut Builder<impl Write>,
    links: &mut HashMap<(u64, u64), PathBuf>,
    (folder, path): (&Path, &Path),
    entry: &Entry,
) -> Result<(), SnapshotError> {
    // As in docker's archives, a folder's name ends with a slash.
    let name = folder.join(path);
    let name = &if entry.is_dir() { name.join("") } else { name };
    let shared = entry.shared_inode();
    let look = || -> Result<(Body, Attributes), IoError> {
        if let Some(first) = shared.and_then(|inode| links.get(&inode)) {
            return Ok((Body::Second(first.clone()), Vec::new()));
        }
        let body = match entry.kind {
            FileKind::Regular => {
                let file = view.open_file(path, entry)?;
                let xattrs = xattrs_of_file(&file).at("read the attributes of", path)?;
                return Ok((Body::File(file), xattrs));
            }
            FileKind::Symlink => Body::Link(view.read_link(path, entry)?),
            _ => Body::Nothing,
        };
        Ok((body, view.xattrs(path, entry)?))
    };
    let (body, xattrs) = match look() {
        Err(error) if has_gone(&error) => return Ok(()),
        found => found?,
    };
    let Some(mut header) = header_of(entry).at("write", path)? else { return Ok(()) };
    if !xattrs.is_empty() {
        let keys: Vec<String> = xattrs.iter().map(|(name, _)| format!("SCHILY.xattr.{name}")).collect();
        let records = keys.iter().zip(&xattrs).map(|(key, (_, value))| (key.as_str(), value.as_slice()));
        archive.append_pax_extensions(records).at("write", path)?;
    }
    match body {
        Body::Second(first) => {
            header.set_entry_type(EntryType::Link);
            header.set_size(0);
            archive.append_link(&mut header, name, first).at("write", path)?;
        }
        Body::Link(target) => archive.append_link(&mut header, name, target).at("write", path)?,
        Body::Nothing => archive.append_data(&mut header, name, io::empty()).at("write", path)?,
        Body::File(file) => {
            let mut content = ExactLength::new(file, entry.size);
            archive.append_data(&mut header, name, &mut content).at("write", path)?;
            if content.missing() > 0 {
                return Err(SnapshotError::Shrank { path: path.to_owned() });
            }
        }
    }
    if let Some(inode) = shared {
        links.entry(inode).or_insert_with(|| name.clone());
    }
    Ok(())
}

/// A running program has removed or replaced it since it was listed.
fn has_gone(error: &IoError) -> bool {
    matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL))
        || error.source.kind() == io::ErrorKind::InvalidInput
}

/// The header except its names; `None` for kinds that no archive has.
fn header_of(entry: &Entry) -> io::Result<Option<Header>> {
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.owner.uid.into());
    header.set_gid(entry.owner.gid.into());
    header.set_mtime(entry.mtime.max(0) as u64);
    header.set_size(0);
    let kind = match entry.kind {
        FileKind::Regular => {
            header.set_size(entry.size);
            EntryType::Regular
        }
        FileKind::Symlink => EntryType::Symlink,
        FileKind::Directory => EntryType::Directory,
        FileKind::Fifo => EntryType::Fifo,
        FileKind::CharDevice { .. } => EntryType::Char,
        FileKind::BlockDevice { .. } => EntryType::Block,
        FileKind::Socket => return Ok(None),
    };
    header.set_entry_type(kind);
    if let FileKind::CharDevice { major, minor } | FileKind::BlockDevice { major, minor } = entry.kind {
        header.set_device_major(major)?;
        header.set_device_minor(minor)?;
    }
    Ok(Some(header))
}

/// A path that is a file in one of the views and exists in another one too: they can't be written to one folder.
pub fn first_conflict(views: &[View]) -> Result<Option<PathBuf>, SnapshotError> {
    let mut seen: HashMap<PathBuf, bool> = HashMap::new();
    let mut conflict = None;
    for view in views {
        let mut here = Vec::new();
        walk(view, Path::new(""), &mut |path, entry| {
            let both_folders = seen.get(path).is_none_or(|was_folder| *was_folder && entry.is_dir());
            if !both_folders && conflict.is_none() {
                conflict = Some(path.to_owned());
            }
            here.push((path.to_owned(), entry.is_dir()));
            Ok(())
        })?;
        seen.extend(here);
    }
    Ok(conflict)
}

/// Writes the view to the folder `destination`. Files belong to the caller, as with buildx; sockets are left out, and
/// so are devices where none can be created.
pub fn export_folder(view: &View, destination: Folder) -> Result<(), SnapshotError> {
    export_part(view, Path::new(""), &|_| true, destination).map(drop)
}

/// Writes what `is_wanted` selects below the folder `base` of the view to the folder `destination`, with the parent
/// folders; otherwise like [`export_folder`]. Returns how many things were selected.
pub fn export_part(
    view: &View,
    base: &Path,
    is_wanted: &dyn Fn(&Path) -> bool,
    destination: Folder,
) -> Result<usize, SnapshotError> {
    let to = LastFolder::of(Tree::beneath(destination));
    let mut export = Export { view, base, to, links: HashMap::new() };
    // The parent folders of the current path, from the top, and whether each was created; and all that were created.
    let mut above: Vec<(PathBuf, Entry, bool)> = Vec::new();
    let mut made: Vec<(PathBuf, Entry)> = Vec::new();
    let mut count = 0;
    walk(view, base, &mut |path, entry| {
        above.retain(|(folder, ..)| path.starts_with(folder));
        let wanted = is_wanted(path);
        if wanted {
            count += 1;
            for (folder, entry, is_made) in above.iter_mut().filter(|(.., is_made)| !is_made) {
                export.entry(folder, entry)?;
                made.push((folder.clone(), *entry));
                *is_made = true;
            }
            export.entry(path, entry)?;
        }
        if entry.is_dir() {
            above.push((path.to_owned(), *entry, wanted));
            if wanted {
                made.push((path.to_owned(), *entry));
            }
        }
        Ok(())
    })?;
    for (target, entry) in made.iter().rev() {
        finish(&export.to.tree().handle(export.inside(target))?, entry)?;
    }
    Ok(count)
}

struct Export<'a> {
    view: &'a View,
    /// The folder of the view that corresponds to the destination.
    base: &'a Path,
    to: LastFolder,
    links: HashMap<(u64, u64), PathBuf>,
}

impl Export<'_> {
    /// The path in the destination that corresponds to a path of the view.
    fn inside<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(self.base).unwrap_or(path)
    }

    fn entry(&mut self, path: &Path, entry: &Entry) -> Result<(), SnapshotError> {
        let Some((folder, name)) = self.to.parent(self.inside(path))? else { return Ok(()) };
        let old = folder.stat(name)?.map(|old| FileType::from_raw_mode(old.st_mode));
        // Also a link that an earlier export left, which would lead elsewhere.
        if old.is_some_and(|old| old != FileType::Directory) {
            folder.remove(name)?;
        }
        let node = |kind, major, minor| match folder.make_node(name, kind, 0o600, makedev(major, minor)) {
            Err(error) if error.errno() == Some(Errno::PERM) => Ok(()),
            made => made.and_then(|()| finish(&folder.handle(name)?, entry)),
        };
        match entry.kind {
            FileKind::Directory if old == Some(FileType::Directory) => {}
            FileKind::Directory => folder.make_folder(name, 0o700)?,
            FileKind::Symlink => folder.make_link(name, &self.view.read_link(path, entry)?)?,
            FileKind::Regular => match entry.shared_inode().and_then(|inode| self.links.get(&inode)) {
                Some(first) => {
                    let Some((from, other)) = self.to.parent(self.inside(first))? else { return Ok(()) };
                    folder.hard_link(name, &from, other)?;
                }
                None => {
                    let (mut from, mut to) = (self.view.open_file(path, entry)?, folder.make_file(name, 0o600)?);
                    let shown = folder.shown().join(name);
                    io::copy(&mut from, &mut to).at("write", &shown)?;
                    finish(&Handle::of_file(to, shown), entry)?;
                    if entry.shared_inode().is_some() {
                        self.links.insert(entry.inode, path.to_owned());
                    }
                }
            },
            FileKind::Fifo => node(FileType::Fifo, 0, 0)?,
            FileKind::CharDevice { major, minor } => node(FileType::CharacterDevice, major, minor)?,
            FileKind::BlockDevice { major, minor } => node(FileType::BlockDevice, major, minor)?,
            FileKind::Socket => {}
        }
        Ok(())
    }
}

/// Sets mode and time.
fn finish(target: &Handle, entry: &Entry) -> Result<(), IoError> {
    target.set_mode(entry.mode)?;
    set_time(target, entry.mtime)
}
