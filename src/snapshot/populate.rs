//! A folder of a root filesystem copied as it is, owners and all: what a new volume begins with.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};

use super::export::walk;
use super::{Entry, SnapshotError, View};
use crate::io_error::{AtPath, IoError};
use crate::layer::FileKind;

/// Copies what the view has in `folder` to `destination`, which is there and gets the folder's owner and mode.
pub fn populate(view: &View, folder: &Path, destination: &Path) -> Result<(), SnapshotError> {
    let mut links: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut folders: Vec<(PathBuf, PathBuf, Entry)> = Vec::new();
    if let Some(entry) = view.lstat(folder)? {
        folders.push((destination.to_owned(), folder.to_owned(), entry));
    }
    walk(view, folder, &mut |path, entry| {
        let target = destination.join(path.strip_prefix(folder).unwrap_or(path));
        match entry.kind {
            FileKind::Directory => {
                std::fs::create_dir(&target).at("create", &target)?;
                folders.push((target, path.to_owned(), *entry));
                return Ok(());
            }
            FileKind::Regular => {
                if let Some(first) = entry.shared_inode().and_then(|inode| links.get(&inode)) {
                    return Ok(std::fs::hard_link(first, &target).at("link", &target)?);
                }
                let mut from = view.open_file(path, entry)?;
                io::copy(&mut from, &mut File::create_new(&target).at("create", &target)?).at("write", &target)?;
                links.insert(entry.inode, target.clone());
            }
            FileKind::Symlink => symlink(view.read_link(path, entry)?, &target).at("create", &target)?,
            FileKind::Fifo => {
                rustix::fs::mknodat(CWD, &target, FileType::Fifo, Mode::empty(), 0).at("create", &target)?;
            }
            // A socket without its program is nothing, and devices open nowhere in a volume.
            FileKind::Socket | FileKind::CharDevice { .. } | FileKind::BlockDevice { .. } => return Ok(()),
        }
        finish(view, path, entry, &target)
    })?;
    for (target, path, entry) in folders.iter().rev() {
        finish(view, path, entry, target)?;
    }
    Ok(())
}

/// Owner, mode, extended attributes and time, in the order in which none undoes another.
fn finish(view: &View, path: &Path, entry: &Entry, target: &Path) -> Result<(), SnapshotError> {
    let (uid, gid) = (Uid::from_raw(entry.owner.uid), Gid::from_raw(entry.owner.gid));
    rustix::fs::chownat(CWD, target, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).at("give away", target)?;
    if entry.kind != FileKind::Symlink {
        std::fs::set_permissions(target, std::fs::Permissions::from_mode(entry.mode))
            .at("change the mode of", target)?;
    }
    for (name, value) in view.xattrs(path, entry)? {
        match rustix::fs::lsetxattr(target, name.as_str(), &value, XattrFlags::empty()) {
            // Not every filesystem has them, and not every user may set them.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::PERM) => {}
            Err(error) => {
                return Err(IoError { action: "set an attribute of", path: target.into(), source: error.into() }.into());
            }
        }
    }
    let time = Timespec { tv_sec: entry.mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, target, &times, AtFlags::SYMLINK_NOFOLLOW).at("set the time of", target)?)
}
