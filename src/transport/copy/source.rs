//! The source of a copy.

use std::io::{self, Read};

use super::CopyError;
use crate::base::digest::BlobDigest;
use crate::image::Descriptor;
use crate::transport::registry::{RegistryError, RemoteManifest, Repository};

pub trait Source: Sync {
    /// The manifest or index that the location's name refers to.
    fn top(&self) -> Result<RemoteManifest, CopyError>;

    /// A manifest or index that another one names, with its digest and length checked.
    fn document(&self, descriptor: &Descriptor) -> Result<RemoteManifest, CopyError>;

    /// The blob's bytes from `offset` on. The reader must check digest and length.
    fn blob(&self, blob: &Descriptor, offset: u64) -> Result<Box<dyn Read + '_>, CopyError>;

    /// The repository, if that is the source: a registry can copy within itself.
    fn repository(&self) -> Option<&Repository> {
        None
    }
}

/// The error of a reader, or the registry's own error within it.
pub fn read_error(digest: BlobDigest, source: io::Error) -> CopyError {
    match source.downcast::<RegistryError>() {
        Ok(own) => own.into(),
        Err(source) => CopyError::Read { digest, source },
    }
}
