//! What an image is read from.

use std::io::{self, Read};

use super::CopyError;
use crate::base::digest::BlobDigest;
use crate::image::Descriptor;
use crate::transport::registry::{RegistryError, RemoteManifest, Repository};

pub trait Source: Sync {
    /// The manifest or index that the place's name means.
    fn top(&self) -> Result<RemoteManifest, CopyError>;

    /// A manifest or index that another one names; its digest and length are right.
    fn document(&self, descriptor: &Descriptor) -> Result<RemoteManifest, CopyError>;

    /// The blob's bytes from `offset` on. Whoever takes them checks digest and length.
    fn blob(&self, blob: &Descriptor, offset: u64) -> Result<Box<dyn Read + '_>, CopyError>;

    /// The repository, if that is the place: a registry can be asked to copy for itself.
    fn repository(&self) -> Option<&Repository> {
        None
    }
}

/// What a reader failed with: a registry's own error, where it was one.
pub fn read_error(digest: BlobDigest, source: io::Error) -> CopyError {
    match source.downcast::<RegistryError>() {
        Ok(own) => own.into(),
        Err(source) => CopyError::Read { digest, source },
    }
}
