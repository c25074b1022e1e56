//! Fetches layers that are not local.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use super::actions::{Actions, ActionsError, ActionsOptions};
use super::bucket::Bucket;
use super::bucket_options::BucketOptions;
use super::folder::{Folder, open_blob};
use super::objects::{ObjectOptions, Objects};
use super::options::PlaceOptions;
use super::place::{Place, PlaceError};
use crate::store::{LayerOrigin, OriginError, RemoteBlob};
use crate::transport::registry::{self, Client, RegistryError, Settings};

/// Opens blobs in registries, folders and buckets. Settings and credentials are read when one is first opened.
#[derive(Default)]
pub struct Origins {
    client: Mutex<Option<Client>>,
    /// Replaces the settings of the environment.
    settings: Option<Settings>,
    /// Buckets, and GitHub's caches.
    places: Mutex<HashMap<String, Arc<dyn Place>>>,
}

impl Origins {
    /// Uses these registry settings, which a command was given, instead of those of the environment.
    pub fn with_settings(settings: Settings) -> Self {
        Self { settings: Some(settings), ..Self::default() }
    }

    /// Lets blobs of a bucket, or of a GitHub cache, be fetched with the user's credentials.
    pub fn know(&self, options: &PlaceOptions) -> Result<(), PlaceError> {
        let (source, place): (String, Arc<dyn Place>) = match options {
            PlaceOptions::Bucket(options) => (options.source(), Arc::new(Bucket::new(options.clone())?)),
            PlaceOptions::Actions(options) => (options.source(), Arc::new(Actions::new(options.clone())?)),
            PlaceOptions::Objects(options) => (options.source(), Arc::new(Objects::new((**options).clone())?)),
            PlaceOptions::Registry(_) | PlaceOptions::Folder { .. } => return Ok(()),
        };
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(source, place);
        Ok(())
    }

    /// A bucket or GitHub cache with the settings of the environment; `None` if the source is of another kind.
    fn place_of(&self, source: &str) -> Result<Option<Arc<dyn Place>>, PlaceError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get(source) {
            return Ok(Some(known.clone()));
        }
        let place: Arc<dyn Place> = if let Some(options) = BucketOptions::of_source(source) {
            Arc::new(Bucket::new(options)?)
        } else if let Some(scope) = ActionsOptions::scope_of_source(source) {
            let options = ActionsOptions::from_environment(scope).ok_or(ActionsError::NoJob)?;
            Arc::new(Actions::new(options)?)
        } else if let Some(options) = ObjectOptions::of_source(source) {
            Arc::new(Objects::new(options)?)
        } else {
            return Ok(None);
        };
        Ok(Some(places.entry(source.to_owned()).or_insert(place).clone()))
    }

    fn open_blob(&self, blob: &RemoteBlob) -> Result<Box<dyn Read + Send>, PlaceError> {
        if let Some(folder) = Folder::of_source(&blob.source) {
            return open_blob(&folder, &blob.digest);
        }
        if let Some(place) = self.place_of(&blob.source)? {
            return place.open_blob(&blob.digest);
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
        } else if let Some(scope) = ActionsOptions::scope_of_source(source) {
            format!("GitHub's cache `{scope}`")
        } else if let Some(objects) = ObjectOptions::of_source(source) {
            objects.shown()
        } else {
            registry::repository_of(source).map_or_else(|| source.to_owned(), |repository| repository.familiar())
        }
    }
}
