//! Where layers that are not here are fetched.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use super::bucket::Bucket;
use super::bucket_options::BucketOptions;
use super::folder::{Folder, open_blob};
use super::place::{Place as _, PlaceError};
use crate::store::{LayerOrigin, OriginError, RemoteBlob};
use crate::transport::registry::{self, Client, RegistryError, Settings};

/// Opens blobs in registries, folders and buckets. Settings and credentials are read when one is opened for the first
/// time.
#[derive(Default)]
pub struct Origins {
    client: Mutex<Option<Client>>,
    /// In place of those of the environment.
    settings: Option<Settings>,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
}

impl Origins {
    /// Registries are spoken to with these settings, which a command was given, and not with those of the environment.
    pub fn with_settings(settings: Settings) -> Self {
        Self { settings: Some(settings), ..Self::default() }
    }

    /// Lets blobs of the bucket be fetched with the credentials that the user gave for it.
    pub fn know_bucket(&self, options: &BucketOptions) -> Result<(), PlaceError> {
        let bucket = Arc::new(Bucket::new(options.clone())?);
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).insert(options.source(), bucket);
        Ok(())
    }

    fn open_blob(&self, blob: &RemoteBlob) -> Result<Box<dyn Read + Send>, PlaceError> {
        if let Some(folder) = Folder::of_source(&blob.source) {
            return open_blob(&folder, &blob.digest);
        }
        if let Some(options) = BucketOptions::of_source(&blob.source) {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let bucket = match buckets.get(&blob.source) {
                Some(bucket) => bucket.clone(),
                None => buckets.entry(blob.source.clone()).or_insert(Arc::new(Bucket::new(options)?)).clone(),
            };
            drop(buckets);
            return bucket.open_blob(&blob.digest);
        }
        match registry::repository_of(&blob.source) {
            Some(name) => {
                let repository = self.client()?.repository(&name)?;
                Ok(Box::new(repository.blob(&blob.digest, Some(blob.size))?))
            }
            None => Err(PlaceError::UnknownKind { source_text: blob.source.clone() }),
        }
    }

    fn client(&self) -> Result<Client, RegistryError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match &*client {
            Some(client) => Ok(client.clone()),
            None => {
                let settings = self.settings.clone().map_or_else(Settings::from_environment, Ok)?;
                Ok(client.insert(Client::new(&settings)?).clone())
            }
        }
    }
}

impl LayerOrigin for Origins {
    fn open(&self, blob: &RemoteBlob) -> Result<Box<dyn Read + Send>, OriginError> {
        self.open_blob(blob)
            .map_err(|error| if error.is_gone() { OriginError::gone(error) } else { OriginError::failed(error) })
    }

    fn place(&self, source: &str) -> String {
        if let Some(folder) = Folder::of_source(source) {
            folder.display().to_string()
        } else if let Some(bucket) = BucketOptions::of_source(source) {
            bucket.shown()
        } else {
            registry::repository_of(source).map_or_else(|| source.to_owned(), |repository| repository.familiar())
        }
    }
}
