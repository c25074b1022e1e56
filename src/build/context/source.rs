//! Contexts that are not directories: an archive, which is unpacked, or a Dockerfile alone.

use std::io::{self, Cursor, Read};
use std::path::Path;

use super::ContextError;
use crate::base::foreign::Folder;
use crate::image::layer::{
    ArchiveLimits, ArchiveReader, Compression, Decoder, EntryKind, FileKind, looks_like_tar, unpack_files,
};

/// One block of a tar archive.
const START_LEN: u64 = 512;
/// The size limit of a Dockerfile, which is read into memory.
const MAX_DOCKERFILE: u64 = 16 << 20;

/// The content of standard input (or a file) in place of a context directory.
pub enum Standard<R> {
    /// A Dockerfile; the context is empty.
    Dockerfile(Vec<u8>),
    /// A tar archive, maybe compressed, from its first byte.
    Archive(R),
}

/// Distinguishes a Dockerfile from an archive by the first bytes.
pub fn read_standard_input<R: Read + Send>(mut input: R) -> Result<Standard<impl Read + Send>, ContextError> {
    let mut start = Vec::new();
    (&mut input).take(START_LEN).read_to_end(&mut start).map_err(ContextError::StandardInput)?;
    let is_archive = Compression::detect(&start) != Compression::None || looks_like_tar(&start);
    let mut whole = Cursor::new(start).chain(input);
    if is_archive {
        return Ok(Standard::Archive(whole));
    }
    let mut text = Vec::new();
    (&mut whole).take(MAX_DOCKERFILE + 1).read_to_end(&mut text).map_err(ContextError::StandardInput)?;
    if text.len() as u64 > MAX_DOCKERFILE {
        let error = io::Error::new(io::ErrorKind::InvalidData, "it is neither an archive nor a Dockerfile");
        return Err(ContextError::StandardInput(error));
    }
    Ok(Standard::Dockerfile(text))
}

/// Unpacks a context archive of any compression into the empty directory `staging`, for `Context::open`. Ignores
/// owners, which a context does not have.
pub fn unpack_context(archive: impl Read + Send, staging: &Path) -> Result<(), ContextError> {
    let decoder = Decoder::new(archive).map_err(ContextError::StandardInput)?.for_disk_of(staging);
    Ok(unpack_files(decoder, Folder::open(staging)?, ArchiveLimits::default())?)
}

/// The time of the newest file in an archive of any compression; `None` if it is not an archive.
pub fn newest_file(archive: impl Read + Send) -> Option<i64> {
    let mut archive = ArchiveReader::new(Decoder::new(archive).ok()?, ArchiveLimits::default());
    let mut newest = None;
    while let Some(entry) = archive.next_entry().ok()? {
        if entry.kind == EntryKind::File(FileKind::Regular) {
            newest = newest.max(Some(entry.mtime));
        }
    }
    newest
}
