//! A cache in a repository of a registry, under a tag.

use std::io::{self, Read};

use super::place::{BlobContent, Place, PlaceError};
use crate::base::digest::BlobDigest;
use crate::image::{Descriptor, Reference, media_type};
use crate::transport::registry::{self, Client, RegistryError, Repository, Settings, UploadSource, Uploaded};

pub struct RepositoryPlace {
    repository: Repository,
    reference: Reference,
}

impl RepositoryPlace {
    pub fn new(reference: &Reference, settings: &Settings) -> Result<Self, PlaceError> {
        let repository = Client::new(settings)?.repository(reference)?;
        Ok(Self { repository, reference: reference.clone() })
    }

    /// The tag or digest.
    fn name(&self) -> &str {
        match self.reference.digest() {
            Some(digest) => digest.as_str(),
            None => self.reference.tag().unwrap_or("latest"),
        }
    }
}

/// A blob that is read from the start whenever it is sent.
struct Content<'a>(&'a BlobContent<'a>);

impl UploadSource for Content<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let mut reader = (self.0)().map_err(io::Error::other)?;
        let skipped = io::copy(&mut (&mut reader).take(offset), &mut io::sink())?;
        if skipped == offset { Ok(reader) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// For a blob that should be in another repository of the same registry, and has no local content.
struct Nothing;

impl UploadSource for Nothing {
    fn open(&self, _: u64) -> io::Result<Box<dyn Read + '_>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

impl Place for RepositoryPlace {
    fn shown(&self) -> String {
        self.reference.familiar()
    }

    fn source(&self) -> String {
        registry::source_of(&self.reference)
    }

    fn manifest(&self, limit: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        match self.repository.manifest(self.name()) {
            Ok(manifest) if manifest.bytes.len() as u64 > limit => {
                Err(PlaceError::TooLarge { what: "the manifest", limit })
            }
            Ok(manifest) => Ok(Some(manifest.bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn manifest_with(&self, digest: &BlobDigest, _: u64) -> Result<Vec<u8>, PlaceError> {
        Ok(self.repository.manifest(&digest.to_string())?.bytes)
    }

    fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, PlaceError> {
        Ok(self.repository.blob_size(digest)?)
    }

    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
        Ok(Box::new(self.repository.blob(digest, None)?))
    }

    fn put_blob(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError> {
        self.repository.upload(&blob.digest, blob.size, &[], &Content(content))?;
        Ok(())
    }

    fn put_manifest(&self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.repository.put_manifest(self.name(), media_type::OCI_MANIFEST, bytes)?;
        Ok(())
    }

    fn take_over(&self, blob: &Descriptor, source: &str) -> Result<bool, PlaceError> {
        let Some(other) = registry::repository_of(source) else { return Ok(false) };
        if other.domain() != self.reference.domain() {
            return Ok(false);
        }
        let elsewhere = [other.path().to_owned()];
        match self.repository.upload(&blob.digest, blob.size, &elsewhere, &Nothing) {
            Ok(Uploaded::Existed | Uploaded::Mounted { .. }) => Ok(true),
            // It wants the content: the caller sends it.
            Ok(Uploaded::Sent) | Err(RegistryError::Source { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
