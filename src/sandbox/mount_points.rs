//! Takes away from a layer what was made only to mount something there.

use std::path::Path;

use super::channel::CreatedMountPoint;
use crate::io_error::{AtPath, IoError};

/// Takes the mount points away unless the program has put something into them. The standard folders stay, as they do
/// with BuildKit.
pub fn remove_mount_points(upper: &Path, created: &[CreatedMountPoint]) -> Result<(), IoError> {
    for point in created.iter().rev() {
        let relative = point.path.strip_prefix("/").unwrap_or(&point.path);
        if [Path::new("proc"), Path::new("sys"), Path::new("dev")].contains(&relative) {
            continue;
        }
        let path = upper.join(relative);
        let removed = if point.is_directory {
            std::fs::remove_dir(&path)
        } else if std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
            std::fs::remove_file(&path)
        } else {
            continue;
        };
        if removed.is_ok()
            && let Some(parent) = path.parent()
        {
            let (seconds, nanoseconds) = point.parent_modified;
            let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
            let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
            rustix::fs::utimensat(rustix::fs::CWD, parent, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                .at("set the time of", parent)?;
        }
    }
    Ok(())
}
