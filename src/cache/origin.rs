//! Where layers that are not here are fetched.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::digest::BlobDigest;
use crate::registry::{self, Registry, RegistryError, Settings};
use crate::store::{LayerOrigin, OriginError, RemoteBlob};

const FOLDER: &str = "folder:";

/// Opens blobs in registries, folders and buckets. Credentials are looked up when one is opened.
pub struct Origins {
    registry: Settings,
}

impl Origins {
    pub fn new(registry: Settings) -> Self {
        Self { registry }
    }
}

impl LayerOrigin for Origins {
    fn open(&self, blob: &RemoteBlob) -> Result<Box<dyn Read + Send>, OriginError> {
        if let Some(folder) = blob.source.strip_prefix(FOLDER) {
            return open_file(Path::new(folder), &blob.digest);
        }
        if let Some(repository) = registry::repository_of(&blob.source) {
            let opened = Registry::connect(&repository, &self.registry).and_then(|it| it.into_blob(&blob.digest));
            return match opened {
                Ok(reader) => Ok(Box::new(reader)),
                Err(error @ (RegistryError::NotFound { .. } | RegistryError::Status { status: 404, .. })) => {
                    Err(OriginError::gone(error))
                }
                Err(error) => Err(OriginError::failed(error)),
            };
        }
        Err(OriginError::failed(format!("this rbuild knows no place of the kind `{}`", blob.source)))
    }

    fn place(&self, source: &str) -> String {
        let text = source.strip_prefix(FOLDER).unwrap_or(source);
        registry::repository_of(text).map_or_else(|| text.to_owned(), |repository| repository.familiar())
    }
}

fn open_file(folder: &Path, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, OriginError> {
    let path = folder.join("blobs/sha256").join(digest.hex());
    match File::open(&path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(OriginError::gone(format!("there is no `{}`", path.display())))
        }
        Err(error) => Err(OriginError::failed(format!("`{}`: {error}", path.display()))),
    }
}
