//! The blobs of the next entry, one after the other in an unnamed file.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;

use super::ActionsError;
use super::entry::Location;
use crate::base::digest::BlobDigest;
use crate::build::remote_cache::place::PlaceError;
use crate::image::Descriptor;

#[derive(Default)]
pub struct Staged {
    file: Option<File>,
    blobs: Vec<(BlobDigest, u64, u64)>,
    length: u64,
}

impl Staged {
    pub fn add(&mut self, blob: &Descriptor, mut reader: Box<dyn Read + Send + '_>) -> Result<(), PlaceError> {
        if self.size(&blob.digest).is_some() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile().map_err(ActionsError::Staged)?),
        };
        file.seek(SeekFrom::Start(self.length)).map_err(ActionsError::Staged)?;
        let copied = std::io::copy(&mut reader, file).and_then(|count| file.flush().map(|()| count));
        let copied = copied.map_err(ActionsError::Staged)?;
        self.blobs.push((blob.digest, self.length, copied));
        self.length += copied;
        Ok(())
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn size(&self, digest: &BlobDigest) -> Option<u64> {
        self.find(digest).map(|(_, size)| size)
    }

    pub fn blobs(&self) -> impl Iterator<Item = (BlobDigest, u64, u64)> {
        self.blobs.iter().copied()
    }

    /// Their locations once the entry exists.
    pub fn locations(&self, key: &str, start: u64) -> impl Iterator<Item = (BlobDigest, Location)> {
        let of = move |&(digest, offset, size): &(BlobDigest, u64, u64)| {
            (digest, Location { entry: key.to_owned(), offset: start + offset, size })
        };
        self.blobs.iter().map(of)
    }

    pub fn open(&self, digest: &BlobDigest) -> Result<Option<Box<dyn Read + Send>>, PlaceError> {
        let (Some((offset, size)), Some(file)) = (self.find(digest), &self.file) else { return Ok(None) };
        let file = file.try_clone().map_err(ActionsError::Staged)?;
        Ok(Some(Box::new(Part { file, offset, left: size })))
    }

    /// A range of the file.
    pub fn piece(&self, offset: u64, length: usize) -> Result<Vec<u8>, ActionsError> {
        let mut bytes = vec![0; length];
        if let Some(file) = &self.file {
            file.read_exact_at(&mut bytes, offset).map_err(ActionsError::Staged)?;
        }
        Ok(bytes)
    }

    fn find(&self, digest: &BlobDigest) -> Option<(u64, u64)> {
        let found = self.blobs.iter().find(|(known, _, _)| known == digest);
        found.map(|(_, offset, size)| (*offset, *size))
    }
}

struct Part {
    file: File,
    offset: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
