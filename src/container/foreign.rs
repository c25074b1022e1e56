//! Containers of another runtime than rbuild's own (`--runtime`).

use std::path::Path;

use super::error::ContainerError;
use super::record::Record;
use crate::container::runtime::{Bundle, Runtime, RuntimeError};

/// The runtime's folder within the container's.
const FOLDER: &str = "oci";

/// The container's bundle for its runtime; `None` if rbuild itself runs it.
pub(super) fn bundle(record: &Record, folder: &Path) -> Result<Option<Bundle>, ContainerError> {
    let runtime = Runtime::find(&record.host_config.runtime)?;
    Ok(runtime.map(|runtime| Bundle::new(runtime, &folder.join(FOLDER), &record.id)))
}

/// Lets the runtime forget a container that has ended.
pub(super) fn forget(record: &Record, folder: &Path) -> Result<(), ContainerError> {
    match bundle(record, folder) {
        Ok(Some(bundle)) => Ok(bundle.delete()?),
        // A runtime that is no longer installed keeps nothing.
        Ok(None) | Err(ContainerError::Runtime(RuntimeError::NotFound { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}
