//! Unpacks a layer's tar stream to a layer directory.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::read_ahead::ReadAhead;
use super::unpack::{Unpacked, Unpacker};
use super::{ArchiveLimits, ArchiveReader, LayerError};
use crate::base::digest::DiffId;
use crate::base::foreign::Folder;

/// What to do with device nodes where creating them is not permitted (in a user namespace).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DevicePolicy {
    /// Leave them out and list them in `Applied::skipped_devices`; docker leaves them out when rootless.
    #[default]
    Skip,
    /// `LayerError::DeviceNotPermitted`.
    Fail,
}

#[derive(Debug, Clone, Default)]
pub struct ApplyOptions {
    pub limits: ArchiveLimits,
    pub devices: DevicePolicy,
}

/// What `apply` learned about a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// SHA-256 of the whole stream, including what follows the end-of-archive mark.
    pub diff_id: DiffId,
    /// Length of the stream in bytes.
    pub stream_len: u64,
    pub entries: u64,
    /// Sum of the lengths of regular files.
    pub content_bytes: u64,
    pub skipped_devices: Vec<PathBuf>,
    /// Directories that the archive only implies, created with mode 0755 and owned by root.
    pub implied_directories: Vec<PathBuf>,
}

/// Unpacks the uncompressed tar stream of a layer into the empty directory `dir`. Nothing outside `dir` is touched,
/// whatever the stream contains. After an error `dir` contains a part of the layer and has to be removed.
///
/// Only a layer's xattrs are applied (`user.*`, `security.capability`). Names with `..` are refused; a symlink in the
/// path of a later entry is followed within `dir`. Whiteouts refer to the layers below, wherever they are in the
/// stream.
pub fn apply(reader: impl Read + Send, dir: &Path, options: &ApplyOptions) -> Result<Applied, LayerError> {
    let unpacker = Unpacker::for_layer(dir, options.devices)?;
    let (unpacked, counts, seen) = unpack_all(reader, unpacker, options.limits)?;
    Ok(Applied {
        diff_id: seen.diff_id,
        stream_len: seen.length,
        entries: counts.0,
        content_bytes: counts.1,
        skipped_devices: unpacked.skipped_devices,
        implied_directories: unpacked.implied_directories,
    })
}

/// Unpacks an ordinary archive into the empty directory `dir`, as `apply` does with a layer. But whiteouts are ordinary
/// files, and owners, xattrs and devices are omitted, so that any user may do this.
pub fn unpack_files(reader: impl Read + Send, dir: Folder, limits: ArchiveLimits) -> Result<(), LayerError> {
    unpack_all(reader, Unpacker::for_files(dir), limits).map(drop)
}

type Counts = (u64, u64);

fn unpack_all(
    reader: impl Read + Send,
    mut unpacker: Unpacker,
    limits: ArchiveLimits,
) -> Result<(Unpacked, Counts, super::read_ahead::Seen), LayerError> {
    std::thread::scope(|scope| {
        let mut archive = ArchiveReader::new(ReadAhead::new(scope, reader), limits);
        while let Some(entry) = archive.next_entry()? {
            unpacker.entry(&entry, &mut archive)?;
        }
        archive.drain()?;
        let counts = (archive.entries(), archive.content_bytes());
        Ok((unpacker.finish()?, counts, archive.into_inner().finish()))
    })
}
