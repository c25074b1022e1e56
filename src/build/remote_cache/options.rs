//! The caches of a build: where to read and write them, and their content.

use std::path::PathBuf;
use std::time::Duration;

use super::actions::{Actions, ActionsOptions};
use super::bucket::Bucket;
use super::bucket_options::BucketOptions;
use super::folder::{Folder, Name};
use super::objects::{ObjectOptions, Objects};
use super::place::{Place, PlaceError};
use super::repository_place::RepositoryPlace;
use crate::base::digest::BlobDigest;
use crate::image::Reference;
use crate::transport::registry::Settings;
use crate::transport::transfer::LayerFormat;

/// How long reading a cache's list of records may take by default.
pub const READ_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceOptions {
    Registry(Reference),
    Folder {
        path: PathBuf,
        tag: String,
        /// Read this manifest, whatever the tag refers to.
        digest: Option<BlobDigest>,
    },
    Bucket(BucketOptions),
    Actions(ActionsOptions),
    Objects(Box<ObjectOptions>),
}

/// `--cache-from`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSource {
    pub place: PlaceOptions,
    /// How long reading the list of records may take.
    pub limit: Duration,
    /// Fill cache mounts that are empty here.
    pub mounts: bool,
    /// Ignore what was made longer ago than this.
    pub max_age: Option<Duration>,
}

/// `--cache-to`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheTarget {
    /// Into the image's config.
    Inline,
    Place(Box<ExportOptions>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOptions {
    pub place: PlaceOptions,
    pub mode: Mode,
    pub compression: LayerFormat,
    /// Only warn of a failure.
    pub ignore_error: bool,
    /// Also send the contents of cache mounts.
    pub mounts: bool,
}

/// Which layers are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Those of the result. The other steps have only records, so that keys can be computed.
    #[default]
    Min,
    /// Those of all steps.
    Max,
}

impl PlaceOptions {
    /// The name in progress messages.
    pub fn shown(&self) -> String {
        match self {
            Self::Registry(reference) => reference.familiar(),
            Self::Folder { path, .. } => path.display().to_string(),
            Self::Bucket(bucket) => bucket.shown(),
            Self::Actions(actions) => actions.shown(),
            Self::Objects(objects) => objects.shown(),
        }
    }

    /// buildx's name for this type of cache.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Registry(_) => "registry",
            Self::Folder { .. } => "local directory",
            Self::Bucket(_) => "s3",
            Self::Actions(_) => "GitHub Actions Cache",
            Self::Objects(objects) => objects.kind(),
        }
    }

    /// Opens the place for reading.
    pub(super) fn open(&self, settings: &Settings) -> Result<Box<dyn Place>, PlaceError> {
        Ok(match self {
            Self::Registry(reference) => Box::new(RepositoryPlace::new(reference, settings)?),
            Self::Folder { path, tag, digest } => {
                let name = digest.map_or_else(|| Name::Tag(tag.clone()), Name::Digest);
                Box::new(Folder::existing(path, name)?)
            }
            Self::Bucket(options) => Box::new(Bucket::new(options.clone())?),
            Self::Actions(options) => Box::new(Actions::new(options.clone())?),
            Self::Objects(options) => Box::new(Objects::new((**options).clone())?),
        })
    }

    /// Opens the place for writing, and makes it if possible.
    pub(super) fn open_for_writing(&self, settings: &Settings) -> Result<Box<dyn Place>, PlaceError> {
        match self {
            Self::Folder { path, tag, .. } => Ok(Box::new(Folder::made(path, tag)?)),
            _ => self.open(settings),
        }
    }
}
