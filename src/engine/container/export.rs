//! A container's whole filesystem as a tar archive.

use std::io::Write;

use super::RequestError;
use crate::base::io_error::AtPath;
use crate::container::{ContainerError, Entry, Pause, check_ended, upper_of_new};
use crate::store::snapshot::{Stack, View, export_tar};
use crate::store::{Staging, Store};

/// The container's root filesystem: its image's layers and its changes.
pub fn files(store: &Store, entry: &Entry) -> Result<(View, Option<Staging>), RequestError> {
    check_ended(entry)?;
    let layers = Stack::of_image(&entry.record.diff_ids()).unpacked(store).map_err(ContainerError::from)?;
    let upper = entry.upper();
    if upper.exists() {
        return Ok((View::of_container(&layers, Some(&upper)).map_err(ContainerError::from)?, None));
    }
    // A container that was never started has no upper folder yet, but the export includes docker's standard files.
    let staging = store.staging()?;
    let upper = staging.path().join("upper");
    std::fs::create_dir(&upper).at("create", &upper).map_err(ContainerError::from)?;
    upper_of_new(&layers, &upper).map_err(ContainerError::from)?;
    Ok((View::of_container(&layers, Some(&upper)).map_err(ContainerError::from)?, Some(staging)))
}

/// Writes the archive. Pauses the container meanwhile, so that the files are consistent, or returns why it can't.
pub fn export(entry: &Entry, files: &View, out: &mut impl Write) -> Result<Option<ContainerError>, RequestError> {
    let pause = Pause::of(entry);
    export_tar(files, out).map_err(ContainerError::from)?;
    Ok(pause.end())
}
