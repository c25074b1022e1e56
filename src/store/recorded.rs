//! Stores of processes that have no rights over files of others: owners, modes and kinds are recorded beside the files. A
//! store is one or the other from its first layer on.

use std::path::Path;

use crate::base::io_error::{AtPath as _, IoError};

/// A file that says so.
const MARK: &str = "owners-recorded";

/// Whether this store's files have their owners recorded.
pub fn records_owners(root: &Path) -> bool {
    root.join(MARK).exists()
}

/// Lets a store that is there, and has no layers yet, record them. False when it has layers, which have their owners.
pub fn begin_recording(root: &Path) -> Result<bool, IoError> {
    let layers = root.join("layers");
    let has_layers = std::fs::read_dir(&layers).is_ok_and(|mut entries| entries.next().is_some());
    if has_layers {
        return Ok(false);
    }
    let mark = root.join(MARK);
    std::fs::write(&mark, "").at("write", &mark)?;
    Ok(true)
}
