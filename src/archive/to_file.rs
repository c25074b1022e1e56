//! Archives into files: a file is there whole or not at all.

use std::fs::File;
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{ArchiveError, NamedImage, SaveFormat, save};
use crate::io_error::AtPath;
use crate::store::Store;

const BUFFER: usize = 1 << 17;

/// Writes the images to the file `path`; see [`save`].
pub fn save_to_file(store: &Store, images: &[NamedImage], format: SaveFormat, path: &Path) -> Result<(), ArchiveError> {
    write_file(path, |out| save(store, images, format, out).map(drop))
}

/// Lets `write` write a file beside `path` and renames it to `path` when that succeeded. A path that is a pipe or a
/// device is written to as it is.
pub fn write_file<E: From<crate::io_error::IoError>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let is_special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if is_special {
        let file = File::options().write(true).open(path).at("open", path)?;
        return write(&mut BufWriter::with_capacity(BUFFER, file));
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new()
        .prefix(".rbuild-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .at("create a file in", folder)?;
    let (file, temporary) = temporary.into_parts();
    let mut out = BufWriter::with_capacity(BUFFER, file);
    write(&mut out)?;
    drop(out.into_inner().map_err(|error| error.into_error()).at("write", path)?);
    temporary.persist(path).map_err(|error| error.error).at("rename", path)?;
    Ok(())
}
