//! A folder copied as it is, with owners, times, attributes, links and nodes: for folders that only this store writes to
//! by name.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};

use super::SnapshotError;
use crate::io_error::{AtPath, IoError};

/// Copies what is in `from`, and its own attributes, into the folder `to`, which is there and empty.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let mut links = HashMap::new();
    copy_folder(from, to, &mut links)?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path, links: &mut HashMap<(u64, u64), PathBuf>) -> Result<(), IoError> {
    for entry in std::fs::read_dir(from).at("read", from)? {
        let entry = entry.at("read", from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let metadata = std::fs::symlink_metadata(&source).at("look at", &source)?;
        if metadata.is_dir() {
            std::fs::create_dir(&target).at("create", &target)?;
            copy_folder(&source, &target, links)?;
            continue;
        }
        let inode = (metadata.dev(), metadata.ino());
        if metadata.nlink() > 1
            && let Some(first) = links.get(&inode)
        {
            std::fs::hard_link(first, &target).at("link", &target)?;
            continue;
        }
        links.insert(inode, target.clone());
        if metadata.is_file() {
            let mut reader = File::open(&source).at("open", &source)?;
            let mut writer = File::create(&target).at("create", &target)?;
            // Shares the blocks where the filesystem can.
            std::io::copy(&mut reader, &mut writer).at("copy", &source)?;
        } else if metadata.is_symlink() {
            let destination = std::fs::read_link(&source).at("read", &source)?;
            symlink(destination, &target).at("create", &target)?;
        } else {
            let kind = FileType::from_raw_mode(metadata.mode());
            let mode = Mode::from_raw_mode(metadata.mode() & 0o7777);
            rustix::fs::mknodat(CWD, &target, kind, mode, metadata.rdev()).at("create", &target)?;
        }
        copy_attributes(&source, &target)?;
    }
    copy_attributes(from, to)
}

fn copy_attributes(from: &Path, to: &Path) -> Result<(), IoError> {
    let stat = rustix::fs::lstat(from).at("look at", from)?;
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(CWD, to, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).at("give away", to)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        rustix::fs::chmodat(CWD, to, mode, AtFlags::empty()).at("set the mode of", to)?;
    }
    copy_xattrs(from, to)?;
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW).at("set the time of", to)
}

fn copy_xattrs(from: &Path, to: &Path) -> Result<(), IoError> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::llistxattr(from, &mut names[..]) {
        // No such thing on this filesystem.
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        listed => listed.at("list the attributes of", from)?,
    };
    let mut value = vec![0; 64 << 10];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = CString::new(name) else { continue };
        let length = rustix::fs::lgetxattr(from, name.as_c_str(), &mut value[..]).at("read an attribute of", from)?;
        match rustix::fs::lsetxattr(to, name.as_c_str(), &value[..length], XattrFlags::empty()) {
            // Labels of security modules belong to the place.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::PERM)
                if name.as_bytes().starts_with(b"security.") || name.as_bytes().starts_with(b"trusted.") => {}
            set => set.at("set an attribute of", to)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(from.path().join("d")).unwrap();
        std::fs::write(from.path().join("d/file"), "x").unwrap();
        std::fs::hard_link(from.path().join("d/file"), from.path().join("link")).unwrap();
        symlink("nowhere", from.path().join("d/symlink")).unwrap();
        let old = File::options().write(true).open(from.path().join("d/file")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(77)).unwrap();
        copy_tree(from.path(), to.path()).unwrap();
        let stat = |path: &str| std::fs::symlink_metadata(to.path().join(path)).unwrap();
        assert_eq!((stat("d/file").ino(), stat("d/file").mtime()), (stat("link").ino(), 77));
        assert_eq!(std::fs::read_link(to.path().join("d/symlink")).unwrap(), Path::new("nowhere"));
    }
}
