//! The root filesystem of a container without namespaces, while it is in use: a copy of all its layers, in the
//! container's folder. Its changes are merged into the upper folder once nobody uses it any longer.
//!
//! ```text
//! working/root  the copy
//! working/lock  held by all processes that use the copy
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::ContainerError;
use super::record::Record;
use crate::base::foreign::{self, Folder, Handle};
use crate::base::io_error::AtPath;
use crate::base::side_by_side::with_deep_stack;
use crate::container::sandbox::{Mount, MountSource};
use crate::store::snapshot::{Scan, View, WorkingRoot, merge_tree};

pub(super) const FOLDER: &str = "working";
const LOCK: &str = "lock";
/// The changes that are merged into the upper folder.
const CHANGES: &str = "changes";

/// The copy for a container that this process runs.
pub(super) struct Working {
    root: WorkingRoot,
    before: Scan,
    layers: Vec<PathBuf>,
    /// The container's folder.
    folder: PathBuf,
}

impl Working {
    /// Creates the copy. For a program to run in it, `mounts` are copied in. The upper folder must exist.
    pub(super) fn make(record: &Record, folder: &Path, mounts: Option<&[Mount]>) -> Result<Self, ContainerError> {
        with_deep_stack(|| {
            let place = folder.join(FOLDER);
            // Left behind by a monitor that was killed.
            foreign::remove_tree(&place)?;
            std::fs::create_dir(&place).at("create", &place)?;
            let lock = place.join(LOCK);
            File::create(&lock).at("create", &lock)?;
            let layers = record.layer_paths();
            let mut root = WorkingRoot::in_folder(&place)?;
            root.bring_to(&layers)?;
            root.add(&folder.join("upper"))?;
            // In docker, each is an anonymous volume.
            for volume in &record.config.run.volumes {
                root.make_folders(Path::new(volume))?;
            }
            if let Some(mounts) = mounts {
                root.place_standard()?;
                mounts.iter().try_for_each(|mount| put(&mut root, mount))?;
            }
            let before = root.scan()?;
            Ok(Self { root, before, layers, folder: folder.to_owned() })
        })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.root.path()
    }

    /// Waits until nobody uses the copy any longer, and merges its changes into the container's.
    pub(super) fn keep(self) -> Result<(), ContainerError> {
        let place = self.place();
        let lock = place.join(LOCK);
        let file = File::open(&lock).at("open", &lock)?;
        flock(&file, FlockOperation::LockExclusive).at("lock", &lock)?;
        with_deep_stack(|| {
            let (upper, changes) = (self.folder.join("upper"), place.join(CHANGES));
            std::fs::create_dir(&changes).at("create", &changes)?;
            let below = View::of_container(&self.layers, Some(&upper))?;
            self.root.write_changes(&self.before, &below, &changes)?;
            merge_tree(Folder::open(&changes)?.itself()?.into_fd(), &upper, &Default::default())?;
            Ok(())
        })
    }

    fn place(&self) -> PathBuf {
        self.folder.join(FOLDER)
    }
}

impl Drop for Working {
    /// Whatever was not kept is lost. What can't be removed now is removed when the next copy is created.
    fn drop(&mut self) {
        let _ = with_deep_stack(|| foreign::remove_tree(&self.place()));
    }
}

/// Copies in what a mount would show.
fn put(root: &mut WorkingRoot, mount: &Mount) -> Result<(), ContainerError> {
    match &mount.source {
        MountSource::File { content, mode, uid, gid, .. } => {
            root.place_file(&mount.target, content, (*mode, *uid, *gid))?;
        }
        MountSource::Tmpfs(options) => {
            root.place_folder(&mount.target, (options.mode, options.uid, options.gid))?;
        }
        MountSource::Own(path) => root.place_copy(&mount.target, &Handle::open(path)?)?,
        // These don't exist in a container without namespaces.
        MountSource::Bind { .. }
        | MountSource::Within { .. }
        | MountSource::Stack { .. }
        | MountSource::TmpfsOfProcess { .. } => {}
    }
    Ok(())
}

/// A running container's root, and a lock that keeps it while any copy of its descriptor is open; `None` if it is gone.
pub(super) fn of_running(folder: &Path) -> Result<Option<(PathBuf, File)>, ContainerError> {
    let lock = folder.join(FOLDER).join(LOCK);
    let file = match File::open(&lock) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.at("open", &lock)?,
    };
    // The end of the container waits for those who hold the lock.
    Ok(flock(&file, FlockOperation::NonBlockingLockShared).is_ok().then(|| (root_in(folder), file)))
}

/// The path of the copy.
pub(super) fn root_in(folder: &Path) -> PathBuf {
    folder.join(FOLDER).join("root")
}
