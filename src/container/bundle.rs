//! A container as an OCI bundle: a folder from which runc and crun start the same program with the same rights.

use std::path::Path;

use super::directory::Entry;
use super::error::ContainerError;
use super::{chroot, launch, wiring};
use crate::base::foreign::Folder;
use crate::base::io_error::AtPath;
use crate::base::outgoing;
use crate::base::privacy;
use crate::container::runtime::Bundle;
use crate::container::sandbox::{SandboxError, Unsupported};
use crate::store::snapshot::{View, export_folder};

/// Writes `config.json` and the folder `rootfs` to `folder`, which is created or must be empty.
pub fn write_bundle(entry: &Entry, folder: &Path) -> Result<(), ContainerError> {
    chroot::check_ended(entry)?;
    let folder = &outgoing::folder_path(folder)?;
    if std::fs::read_dir(folder).at("read", folder)?.next().is_some() {
        return Err(ContainerError::NotEmpty { path: folder.clone() });
    }
    if entry.record.host_config.users.is_remap() {
        let what = "a bundle has the host's users, and the container was made with --userns=remap".to_owned();
        return Err(SandboxError::from(Unsupported { what, hint: None }).into());
    }
    let container = launch::prepare(&entry.record, entry.folder(), &wiring::nothing(&entry.record, entry.folder()))?;
    let mut layers = entry.record.layer_paths();
    layers.push(entry.upper());
    let root = folder.join("rootfs");
    std::fs::create_dir(&root).at("create", &root)?;
    // Programs of other users have to pass through it.
    privacy::set_mode(&root, 0o755)?;
    export_folder(&View::open(&layers)?, Folder::open(&root)?)?;
    Ok(Bundle::write(&container, folder)?)
}
