//! The root filesystem of a container without namespaces, while its files are used: a copy of all its layers, in the
//! container's folder. What has changed in it becomes part of what the container changed when nobody uses it any more.
//!
//! ```text
//! working/root  the copy
//! working/lock  held by all who use the copy
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
/// What is written to become part of the upper folder.
const CHANGES: &str = "changes";

/// Of a container that nobody else runs.
pub(super) struct Working {
    root: WorkingRoot,
    before: Scan,
    layers: Vec<PathBuf>,
    /// The container's.
    folder: PathBuf,
}

impl Working {
    /// Makes it; for a program to run in, with what would be mounted copied in. The upper folder is there.
    pub(super) fn make(record: &Record, folder: &Path, mounts: Option<&[Mount]>) -> Result<Self, ContainerError> {
        with_deep_stack(|| {
            let place = folder.join(FOLDER);
            // Of a monitor that was killed.
            foreign::remove_tree(&place)?;
            std::fs::create_dir(&place).at("create", &place)?;
            let lock = place.join(LOCK);
            File::create(&lock).at("create", &lock)?;
            let layers = record.layer_paths();
            let mut root = WorkingRoot::in_folder(&place)?;
            root.bring_to(&layers)?;
            root.add(&folder.join("upper"))?;
            // With docker, each is a volume without a name.
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

    /// Waits until nobody uses it any more, and adds what has changed to what the container changed before.
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
    /// What was not kept is gone. What can't be removed, the next one that is made there removes.
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
        // There is nothing of these in a container that could be made.
        MountSource::Bind { .. }
        | MountSource::Within { .. }
        | MountSource::Stack { .. }
        | MountSource::TmpfsOfProcess { .. } => {}
    }
    Ok(())
}

/// The root of a container that runs, and a lock that keeps it as long as it is held, and is handed on; nothing when it is
/// not there any more.
pub(super) fn of_running(folder: &Path) -> Result<Option<(PathBuf, File)>, ContainerError> {
    let lock = folder.join(FOLDER).join(LOCK);
    let file = match File::open(&lock) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.at("open", &lock)?,
    };
    // Its end waits for those who have it.
    Ok(flock(&file, FlockOperation::NonBlockingLockShared).is_ok().then(|| (root_in(folder), file)))
}

/// Where it is.
pub(super) fn root_in(folder: &Path) -> PathBuf {
    folder.join(FOLDER).join("root")
}
