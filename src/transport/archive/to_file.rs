//! Archives into files: a file is there whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::tar_output::TarOutput;
use super::{ArchiveError, NamedImage, SaveFormat, save};
use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::store::Store;

const BUFFER: usize = 1 << 17;

/// Writes the images to the file `path`; see [`save`].
pub fn save_to_file(store: &Store, images: &[NamedImage], format: SaveFormat, path: &Path) -> Result<(), ArchiveError> {
    write_file(path, |out| save(store, images, format, out).map(drop))
}

/// Writes the files of a folder, and of its folders, as a tar stream that depends on nothing but their names and
/// contents.
pub fn folder_to_tar(folder: &Path, out: impl Write + Send) -> Result<(), ArchiveError> {
    let mut output = TarOutput::new(out);
    for entry in walkdir::WalkDir::new(folder).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|error| ArchiveError::Read(error.into()))?;
        let path = entry.path();
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
        if entry.file_type().is_dir() {
            output.folder(&format!("{name}/"))?;
            continue;
        }
        let mut file = File::open(path).at("open", path)?;
        let size = file.metadata().at("read", path)?.len();
        output
            .stream(&name, size, |mut out| std::io::copy(&mut file, &mut out).map(drop).map_err(ArchiveError::Write))?;
    }
    output.finish().map(drop)
}

/// Lets `write` write a file beside `path` and renames it to `path` when that succeeded. A path that is a pipe or a
/// device is written to as it is.
pub fn write_file<E: From<crate::base::io_error::IoError>>(
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
    privacy::hand_out(&file).at("change the mode of", &temporary)?;
    let mut out = BufWriter::with_capacity(BUFFER, file);
    write(&mut out)?;
    drop(out.into_inner().map_err(|error| error.into_error()).at("write", path)?);
    temporary.persist(path).map_err(|error| error.error).at("rename", path)?;
    Ok(())
}
