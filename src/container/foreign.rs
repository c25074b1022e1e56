//! What a container has to do with another runtime than rbuild's own (`--runtime`): nothing, for most.

use std::path::Path;

use super::error::ContainerError;
use super::record::Record;
use crate::container::runtime::{Bundle, Runtime, RuntimeError};

/// Its folder in the container's.
const FOLDER: &str = "oci";

/// The container in its runtime's hands; nothing for one that rbuild itself runs.
pub(super) fn bundle(record: &Record, folder: &Path) -> Result<Option<Bundle>, ContainerError> {
    let runtime = Runtime::find(&record.host_config.runtime)?;
    Ok(runtime.map(|runtime| Bundle::new(runtime, &folder.join(FOLDER), &record.id)))
}

/// Lets the runtime of a container that has ended forget it.
pub(super) fn forget(record: &Record, folder: &Path) -> Result<(), ContainerError> {
    match bundle(record, folder) {
        Ok(Some(bundle)) => Ok(bundle.delete()?),
        // A runtime that is not installed any more has nothing of it.
        Ok(None) | Err(ContainerError::Runtime(RuntimeError::NotFound { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}
