//! Writes archives to files: a file is complete or not there.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::tar_output::TarOutput;
use super::{ArchiveError, NamedImage, SaveFormat, save};
use crate::base::io_error::{AtPath, IoError};
use crate::base::outgoing::{self, Place};
use crate::base::privacy;
use crate::store::Store;

const BUFFER: usize = 1 << 17;

/// Writes the images to the file `path`; see [`save`].
pub fn save_to_file(store: &Store, images: &[NamedImage], format: SaveFormat, path: &Path) -> Result<(), ArchiveError> {
    write_file(path, |out| save(store, images, format, out).map(drop))
}

/// Writes the files of a folder and its subfolders as a tar stream that depends only on their names and contents.
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

/// `write` writes a file beside `path`, which replaces `path` if that succeeded. A pipe or device is written to
/// directly.
/// written to as it is.
pub fn write_file<E: From<IoError>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let fill = |file: File| {
        let mut out = BufWriter::with_capacity(BUFFER, file);
        write(&mut out)?;
        out.into_inner().map_err(|error| error.into_error()).at("write", path)?;
        Ok(())
    };
    match outgoing::place(path)? {
        Place::Stream(file) => fill(file),
        Place::Name(folder, name) => {
            folder.replace(&name, privacy::callers_file_mode(), |file| fill(file.try_clone().at("write", path)?))
        }
    }
}
