//! Removes what was created in a layer only as a mount point.
//!
//! The program has written to that layer since: its folders may have become links, or have been renamed. So each path
//! is resolved beneath the layer's folder, without links or other filesystems, and only what was created is removed.

use std::path::Path;

use rustix::fs::{FileType, Stat, Timespec, Timestamps};

use super::channel::CreatedMountPoint;
use crate::base::foreign::{Folder, Tree};
use crate::base::io_error::IoError;

/// Removes the mount points, unless the program has put something into them. As in BuildKit, standard folders stay.
pub fn remove_mount_points(upper: &Path, created: &[CreatedMountPoint]) -> Result<(), IoError> {
    if created.is_empty() {
        return Ok(());
    }
    let upper = Tree::beneath(Folder::open(upper)?).on_one_filesystem();
    for point in created.iter().rev() {
        let path = point.path.strip_prefix("/").unwrap_or(&point.path);
        if ![Path::new("proc"), Path::new("sys"), Path::new("dev")].contains(&path) {
            remove(&upper, path, point)?;
        }
    }
    Ok(())
}

fn remove(upper: &Tree, path: &Path, point: &CreatedMountPoint) -> Result<(), IoError> {
    // If its folder is gone or behind a link, it is not what was created.
    let Ok(Some((folder, name))) = upper.parent(path) else { return Ok(()) };
    let Ok(Some(stat)) = folder.stat(name) else { return Ok(()) };
    if !is_still(point, &stat) {
        return Ok(());
    }
    let removed = if point.is_directory { folder.remove_folder(name) } else { folder.remove(name) };
    if removed.is_ok() {
        let (seconds, nanoseconds) = point.parent_modified;
        let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
        folder.set_own_times(&Timestamps { last_access: time, last_modification: time })?;
    }
    Ok(())
}

/// Whether it is what was created, and empty. (A folder that is not empty can't be removed.)
fn is_still(point: &CreatedMountPoint, stat: &Stat) -> bool {
    let is_same = point.identity.is_none_or(|identity| identity == (stat.st_dev, stat.st_ino));
    let wanted = if point.is_directory { FileType::Directory } else { FileType::RegularFile };
    is_same && FileType::from_raw_mode(stat.st_mode) == wanted && (point.is_directory || stat.st_size == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};
    use std::path::PathBuf;

    use super::*;

    fn point(upper: &Path, path: &str) -> CreatedMountPoint {
        let metadata = upper.join(path).symlink_metadata().unwrap();
        CreatedMountPoint {
            path: PathBuf::from(path),
            is_directory: metadata.is_dir(),
            parent_modified: (77, 0),
            identity: Some((metadata.dev(), metadata.ino())),
        }
    }

    #[test]
    fn only_what_was_made_goes() {
        let place = tempfile::tempdir().unwrap();
        let (upper, host) = (place.path().join("upper"), place.path().join("host"));
        for folder in ["upper/a/b/v", "upper/x/v", "upper/full/v", "host/b/v"] {
            std::fs::create_dir_all(place.path().join(folder)).unwrap();
        }
        std::fs::write(upper.join("file"), "").unwrap();
        std::fs::write(upper.join("full/v/kept"), "").unwrap();
        let points = ["a", "a/b", "a/b/v", "x", "x/v", "full/v", "file"].map(|path| point(&upper, path));
        // The program moves one away and replaces it by a link, and puts something of its own in another's place.
        std::fs::rename(upper.join("a"), upper.join("moved")).unwrap();
        symlink(&host, upper.join("a")).unwrap();
        std::fs::create_dir(upper.join("x/new")).unwrap();
        std::fs::remove_dir(upper.join("x/v")).unwrap();
        std::fs::rename(upper.join("x/new"), upper.join("x/v")).unwrap();
        remove_mount_points(&upper, &points).unwrap();
        for kept in ["host/b/v", "upper/moved/b/v", "upper/a", "upper/x/v", "upper/full/v/kept"] {
            assert!(place.path().join(kept).symlink_metadata().is_ok(), "{kept}");
        }
        assert!(!upper.join("file").exists());
        assert_eq!(upper.metadata().unwrap().mtime(), 77);
    }

    #[test]
    fn what_is_as_it_was_made_goes_whole() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("a/b/v")).unwrap();
        let points = ["a", "a/b", "a/b/v"].map(|path| point(place.path(), path));
        remove_mount_points(place.path(), &points).unwrap();
        assert!(!place.path().join("a").exists());
    }
}
