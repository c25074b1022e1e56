//! Where layers that are not here are fetched.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::digest::BlobDigest;
use crate::registry::{self, Client, RegistryError, Settings};
use crate::store::{LayerOrigin, OriginError, RemoteBlob};

const FOLDER: &str = "folder:";

/// Opens blobs in registries, folders and buckets. Settings and credentials are read when one is opened for the first
/// time.
#[derive(Default)]
pub struct Origins {
    client: Mutex<Option<Client>>,
}

impl Origins {
    fn client(&self) -> Result<Client, RegistryError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match &*client {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert(Client::new(&Settings::from_environment()?)?).clone()),
        }
    }
}

impl LayerOrigin for Origins {
    fn open(&self, blob: &RemoteBlob) -> Result<Box<dyn Read + Send>, OriginError> {
        if let Some(folder) = blob.source.strip_prefix(FOLDER) {
            return open_file(Path::new(folder), &blob.digest);
        }
        if let Some(repository) = registry::repository_of(&blob.source) {
            let opened = self
                .client()
                .and_then(|client| client.repository(&repository))
                .and_then(|repository| repository.blob(&blob.digest, Some(blob.size)));
            return match opened {
                Ok(reader) => Ok(Box::new(reader)),
                Err(error) if error.is_not_found() => Err(OriginError::gone(error)),
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
