//! Blobs: bytes under their SHA-256, as in an OCI image layout (image-spec, image-layout.md, "Blobs").

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{Reader, Staging, Store, StoreError};
use crate::base::digest::{BlobDigest, HashingWriter};
use crate::base::io_error::AtPath;

impl Reader {
    /// The path of the blob, whether it exists or not.
    pub fn blob_path(&self, digest: &BlobDigest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Whether the blob is here.
    pub fn has_blob(&self, digest: &BlobDigest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// Opens a blob, whose bytes nobody has checked since it came.
    pub fn open_blob(&self, digest: &BlobDigest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        Ok(File::open(&path).at("open", &path)?)
    }

    /// The whole blob, with its digest verified. Fails if it has more than `limit` bytes.
    pub fn read_blob(&self, digest: &BlobDigest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(digest);
        let file = File::open(&path).at("open", &path)?;
        let size = file.metadata().at("read", &path)?.len();
        if size > limit {
            return Err(StoreError::BlobTooLarge { digest: *digest, size, limit });
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.take(limit).read_to_end(&mut bytes).at("read", &path)?;
        let actual = BlobDigest::of(&bytes);
        if actual != *digest {
            return Err(StoreError::WrongDigest { expected: *digest, actual });
        }
        Ok(bytes)
    }
}

impl Store {
    /// Stores `bytes` and returns their digest. Does nothing if the blob exists.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        let digest = BlobDigest::of(bytes);
        self.lease(digest.as_bytes())?;
        if !self.has_blob(&digest) {
            let mut writer = self.blob_writer()?;
            let path = writer.path.clone();
            writer.write_all(bytes).at("write", &path)?;
            writer.finish(Some(digest))?;
        }
        Ok(digest)
    }

    /// A writer for a blob whose digest need not be known yet. Dropping it unfinished leaves nothing behind.
    pub fn blob_writer(&self) -> Result<BlobWriter<'_>, StoreError> {
        let staging = self.staging()?;
        let path = staging.path().join("blob");
        let file = File::create_new(&path).at("create", &path)?;
        Ok(BlobWriter { store: self, _staging: staging, path, writer: HashingWriter::new(file) })
    }

    /// Takes the file `path`, which must be in the store's staging and whose SHA-256 the caller has computed, as a blob.
    pub fn adopt_blob(&self, path: &Path, digest: &BlobDigest) -> Result<(), StoreError> {
        self.lease(digest.as_bytes())?;
        std::fs::rename(path, self.blob_path(digest)).at("rename", path)?;
        Ok(())
    }

    /// Removes the blob, if it exists. The caller must have claimed it.
    pub(super) fn remove_blob(&self, digest: &BlobDigest) -> Result<(), StoreError> {
        let path = self.blob_path(digest);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", &path)?,
            _ => Ok(()),
        }
    }
}

/// Writes a blob into the store.
pub struct BlobWriter<'a> {
    store: &'a Store,
    _staging: Staging,
    path: PathBuf,
    writer: HashingWriter<File>,
}

impl BlobWriter<'_> {
    /// How many bytes were written so far.
    pub fn written(&self) -> u64 {
        self.writer.written()
    }

    /// Moves the blob into place and returns its digest and size; fails, leaving nothing behind, if it is not
    /// `expected`.
    pub fn finish(self, expected: Option<BlobDigest>) -> Result<(BlobDigest, u64), StoreError> {
        let (file, actual, size) = self.writer.finish();
        drop(file);
        if let Some(expected) = expected
            && expected != actual
        {
            return Err(StoreError::WrongDigest { expected, actual });
        }
        self.store.lease(actual.as_bytes())?;
        let target = self.store.blob_path(&actual);
        std::fs::rename(&self.path, &target).at("rename", &self.path)?;
        Ok((actual, size))
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.writer.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
