//! Stores of processes without rights over other users' files: owners, modes and kinds are recorded beside the files. A
//! store does so from its first layer on, or never.

use std::path::Path;

use crate::base::io_error::{AtPath as _, IoError};

/// A file that marks such a store.
const MARK: &str = "owners-recorded";

/// Whether this store records the owners of its files.
pub fn records_owners(root: &Path) -> bool {
    root.join(MARK).exists()
}

/// Makes an existing store without layers record them. False if it has layers, whose files have their real owners.
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
