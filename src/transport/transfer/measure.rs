//! Reads a layer once, as it arrives, for its diffID and sizes.

use std::io::{self, Read};
use std::path::Path;

use sha2::Digest as _;

use super::receive::LayerStream;
use crate::base::digest::{BlobDigest, DiffId};
use crate::image::layer::{ArchiveLimits, ArchiveReader, Compression, Decoder, EntryKind, FileKind, LayerError};

/// Hashes and counts what is read through it.
struct HashingReader<R> {
    inner: R,
    /// `None` for uncompressed streams: the reader of the blob hashes the same bytes.
    hasher: Option<sha2::Sha256>,
    count: u64,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        self.count += count as u64;
        Ok(count)
    }
}

/// What was learned about a layer, except the diffID of an uncompressed one: that is the blob's digest.
pub(super) struct Measured {
    diff_id: Option<DiffId>,
    stream_size: u64,
    content_size: u64,
    compression: Compression,
}

impl Measured {
    pub fn finish(self, blob: BlobDigest) -> LayerStream {
        LayerStream {
            diff_id: self.diff_id.unwrap_or(DiffId::from_bytes(*blob.as_bytes())),
            stream_size: self.stream_size,
            content_size: self.content_size,
            compression: self.compression,
        }
    }
}

/// Reads the layer up to the end of its tar stream and of what follows it.
///
/// The layer will be unpacked on the disk of `folder`.
pub(super) fn measure(reader: impl Read, folder: &Path) -> Result<Measured, LayerError> {
    let unreadable = |source| LayerError::Read { entry: String::new(), source };
    let decoder = Decoder::new(reader).map_err(unreadable)?.for_disk_of(folder);
    let compression = decoder.compression();
    let hasher = (compression != Compression::None).then(sha2::Sha256::new);
    let mut stream = HashingReader { inner: decoder, hasher, count: 0 };
    let mut content_size = 0;
    let mut archive = ArchiveReader::new(&mut stream, ArchiveLimits::default());
    while let Some(entry) = archive.next_entry()? {
        content_size += match &entry.kind {
            EntryKind::File(FileKind::Regular) => entry.size,
            // Docker counts them in an image's size.
            EntryKind::Symlink(target) => target.as_os_str().len() as u64,
            _ => 0,
        };
    }
    io::copy(&mut stream, &mut io::sink()).map_err(unreadable)?;
    let diff_id = stream.hasher.map(|hasher| DiffId::from_bytes(hasher.finalize().into()));
    Ok(Measured { diff_id, stream_size: stream.count, content_size, compression })
}
