//! Makes a folder contain exactly what is exported to it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::export::walk;
use super::{SnapshotError, View};
use crate::base::foreign::Folder;

/// Removes from a folder whatever none of the views has there. Each view has a folder of its own in it, or the whole.
/// Links are removed, not followed.
pub fn remove_others(views: &[(PathBuf, View)], destination: &Folder) -> Result<(), SnapshotError> {
    let mut kept: HashSet<PathBuf> = HashSet::new();
    for (folder, view) in views {
        kept.extend(folder.ancestors().map(Path::to_owned));
        walk(view, Path::new(""), &mut |path, _| {
            kept.insert(folder.join(path));
            Ok(())
        })?;
    }
    remove_but(&kept, destination, Path::new(""))
}

/// `within` is the folder's position in what is exported.
fn remove_but(kept: &HashSet<PathBuf>, folder: &Folder, within: &Path) -> Result<(), SnapshotError> {
    for name in folder.names()? {
        let path = within.join(&name);
        if !kept.contains(&path) {
            folder.remove_all(&name)?;
        } else if folder.stat(&name)?.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory) {
            remove_but(kept, &folder.folder(&name)?, &path)?;
        }
    }
    Ok(())
}
