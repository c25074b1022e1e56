//! A layer's tar stream to a layer directory.

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

/// What `apply` learnt about a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// SHA-256 of the whole stream, whatever follows the end-of-archive mark included.
    pub diff_id: DiffId,
    /// Length of the stream in bytes.
    pub stream_len: u64,
    pub entries: u64,
    /// Sum of the lengths of regular files.
    pub content_bytes: u64,
    pub skipped_devices: Vec<PathBuf>,
    /// Directories that the archive only implies, made with mode 0755, root's.
    pub implied_directories: Vec<PathBuf>,
}

/// Unpacks the uncompressed tar stream of a layer into the empty directory `dir`. Nothing outside `dir` is touched,
/// whatever the stream holds. After an error `dir` holds a part of the layer and has to be removed.
///
/// Of xattrs those of a layer are taken (`user.*`, `security.capability`). Names with `..` are refused; a symlink on the
/// way of a later entry is followed within `dir`. Whiteouts speak of the layers below, wherever they stand in the stream.
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

/// Unpacks an ordinary archive into the empty directory `dir`, as `apply` does a layer, but whiteouts are files like
/// others, and owners, xattrs and devices are left out: what any user may do.
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
