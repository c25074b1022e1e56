//! Receives blobs for the store: written to staging, hashed, and read as layers in the same pass.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::TransferError;
use super::measure::measure;
use crate::base::digest::{BlobDigest, DiffId, HashingWriter};
use crate::base::io_error::{AtPath, IoError, chain};
use crate::image::layer::Compression;
use crate::store::{Staging, Store};

/// Receives blobs into the store's staging, from several threads if necessary. Dropping it discards everything that was
/// not registered.
pub struct Receiver<'a> {
    pub(super) store: &'a Store,
    staging: Staging,
    next: AtomicU64,
}

/// A blob in staging.
#[derive(Debug)]
pub struct Received {
    pub digest: BlobDigest,
    pub size: u64,
    pub(super) path: PathBuf,
    layer: Result<LayerStream, String>,
}

impl Received {
    /// Its properties as a layer, or why it is not one.
    pub fn layer(&self) -> Result<LayerStream, &str> {
        self.layer.as_ref().copied().map_err(String::as_str)
    }

    /// The whole content, for documents. `what` is its name in errors.
    pub fn read(&self, what: &str, limit: u64) -> Result<Vec<u8>, TransferError> {
        if self.size > limit {
            return Err(TransferError::TooLarge { what: what.to_owned(), limit });
        }
        Ok(std::fs::read(&self.path).at("read", &self.path)?)
    }
}

/// What is known about a layer after reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerStream {
    pub diff_id: DiffId,
    pub stream_size: u64,
    pub content_size: u64,
    pub compression: Compression,
}

impl<'a> Receiver<'a> {
    pub fn new(store: &'a Store) -> Result<Self, TransferError> {
        Ok(Self { store, staging: store.staging()?, next: AtomicU64::new(0) })
    }

    /// The folder of received blobs.
    pub fn folder(&self) -> &Path {
        self.staging.path()
    }

    /// Reads `source` to its end into staging. `what` is its name in errors.
    ///
    /// A blob that starts like a JSON document is not tried as a layer: no tar or compressed stream starts that way.
    /// All others are decompressed and parsed as they arrive.
    pub fn receive(&self, mut source: impl Read, what: &str) -> Result<Received, TransferError> {
        let path = self.staging.path().join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = File::create_new(&path).at("create", &path)?;
        let mut first = [0];
        let count = read_full(&mut source, &mut first)
            .map_err(|source| TransferError::Read { what: what.to_owned(), source })?;
        let is_document = count == 1 && matches!(first[0], b'{' | b'[');
        let mut tee = Tee {
            source: (&first[..count]).chain(source),
            file: HashingWriter::new(file),
            read_error: None,
            write_error: None,
        };
        let measured = if is_document { Ok(None) } else { measure(&mut tee, self.staging.path()).map(Some) };
        // A blob that is not a valid layer is still read to its end, unless reading itself failed.
        let _ = io::copy(&mut tee, &mut io::sink());
        if let Some(source) = tee.write_error {
            return Err(IoError { action: "write", path, source }.into());
        }
        if let Some(source) = tee.read_error {
            return Err(TransferError::Read { what: what.to_owned(), source });
        }
        let (_, digest, size) = tee.file.finish();
        let layer = match measured {
            Ok(Some(measured)) => Ok(measured.finish(digest)),
            Ok(None) => Err("it is a JSON document".to_owned()),
            Err(error) => Err(chain(&error)),
        };
        Ok(Received { digest, size, path, layer })
    }
}

/// Reads until `buffer` is full or the source ends.
fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match source.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Copies what is read through it to a file. Keeps the first write error: the reader can't tell whose it is, and may
/// wrap it.
struct Tee<R> {
    source: R,
    file: HashingWriter<File>,
    read_error: Option<io::Error>,
    write_error: Option<io::Error>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.write_error.is_some() || self.read_error.is_some() {
            return Err(io::Error::other("the copy failed before"));
        }
        let count = match self.source.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.read_error = Some(error);
                return Err(io::Error::other("the source could not be read"));
            }
            result => result?,
        };
        if let Err(error) = self.file.write_all(&buffer[..count]) {
            self.write_error = Some(error);
            return Err(io::Error::other("the copy could not be written"));
        }
        Ok(count)
    }
}
