//! A merged root filesystem written out whole: as a tar stream, or into a folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::{Entry, SnapshotError, View};
use crate::io_error::{AtPath, IoError};
use crate::layer::FileKind;
use crate::privacy;

/// Calls `visit` for all that is in the view, folders before what is in them, names in byte order.
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

/// Writes several views into one tar archive, each into its folder.
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

fn append(
    view: &View,
    archive: &mut Builder<impl Write>,
    links: &mut HashMap<(u64, u64), PathBuf>,
    (folder, path): (&Path, &Path),
    entry: &Entry,
) -> Result<(), SnapshotError> {
    let name = &folder.join(path);
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.owner.uid.into());
    header.set_gid(entry.owner.gid.into());
    header.set_mtime(entry.mtime.max(0) as u64);
    header.set_size(0);
    if let Some(inode) = entry.shared_inode() {
        if let Some(first) = links.get(&inode) {
            header.set_entry_type(EntryType::Link);
            return Ok(archive.append_link(&mut header, name, first).at("write", path)?);
        }
        links.insert(inode, name.clone());
    }
    let xattrs = view.xattrs(path, entry)?;
    if !xattrs.is_empty() {
        let keys: Vec<String> = xattrs.iter().map(|(name, _)| format!("SCHILY.xattr.{name}")).collect();
        let records = keys.iter().zip(&xattrs).map(|(key, (_, value))| (key.as_str(), value.as_slice()));
        archive.append_pax_extensions(records).at("write", path)?;
    }
    let device = |header: &mut Header, kind, major, minor| -> Result<(), IoError> {
        header.set_entry_type(kind);
        header.set_device_major(major).at("write", path)?;
        header.set_device_minor(minor).at("write", path)
    };
    match entry.kind {
        FileKind::Regular => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(entry.size);
            let file = view.open_file(path, entry)?;
            return Ok(archive.append_data(&mut header, name, file).at("write", path)?);
        }
        FileKind::Symlink => {
            header.set_entry_type(EntryType::Symlink);
            let target = view.read_link(path, entry)?;
            return Ok(archive.append_link(&mut header, name, target).at("write", path)?);
        }
        FileKind::Directory => header.set_entry_type(EntryType::Directory),
        FileKind::Fifo => header.set_entry_type(EntryType::Fifo),
        FileKind::CharDevice { major, minor } => device(&mut header, EntryType::Char, major, minor)?,
        FileKind::BlockDevice { major, minor } => device(&mut header, EntryType::Block, major, minor)?,
        FileKind::Socket => return Ok(()),
    }
    Ok(archive.append_data(&mut header, name, io::empty()).at("write", path)?)
}

/// A path that is a file in one of the views and is in another one too: they can't be written into one folder.
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

/// Writes the view into the folder `destination`, which is made when it is missing. Files belong to whoever runs this,
/// as with buildx; devices and sockets are left out.
pub fn export_folder(view: &View, destination: &Path) -> Result<(), SnapshotError> {
    privacy::make_folders_for_caller(destination)?;
    let mut links: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut folders: Vec<(PathBuf, Entry)> = Vec::new();
    walk(view, Path::new(""), &mut |path, entry| {
        let target = destination.join(path);
        remove_old(&target)?;
        match entry.kind {
            FileKind::Directory => {
                if !target.is_dir() {
                    std::fs::DirBuilder::new().mode(0o700).create(&target).at("create", &target)?;
                }
                folders.push((target, *entry));
            }
            FileKind::Symlink => symlink(view.read_link(path, entry)?, &target).at("create", &target)?,
            FileKind::Regular => match entry.shared_inode().and_then(|inode| links.get(&inode)) {
                Some(first) => std::fs::hard_link(first, &target).at("link", &target)?,
                None => {
                    write_file(view, path, entry, &target)?;
                    links.insert(entry.inode, target);
                }
            },
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice { .. } | FileKind::BlockDevice { .. } => {}
        }
        Ok(())
    })?;
    for (target, entry) in folders.iter().rev() {
        finish(target, entry)?;
    }
    Ok(())
}

/// A link that an earlier export left must not lead out of the folder.
fn remove_old(target: &Path) -> Result<(), IoError> {
    match std::fs::symlink_metadata(target) {
        Ok(old) if !old.is_dir() => std::fs::remove_file(target).at("replace", target),
        _ => Ok(()),
    }
}

fn write_file(view: &View, path: &Path, entry: &Entry, target: &Path) -> Result<(), SnapshotError> {
    let mut from = view.open_file(path, entry)?;
    let mut to = File::create_new(target).at("create", target)?;
    io::copy(&mut from, &mut to).at("write", target)?;
    drop(to);
    Ok(finish(target, entry)?)
}

/// Sets mode and time.
fn finish(target: &Path, entry: &Entry) -> Result<(), IoError> {
    std::fs::set_permissions(target, std::fs::Permissions::from_mode(entry.mode)).at("change the mode of", target)?;
    let time = rustix::fs::Timespec { tv_sec: entry.mtime, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, target, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .at("set the time of", target)
}
