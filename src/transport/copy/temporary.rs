//! Temporary folders for what cannot be read or written in one pass. They are in the store's staging and end with this
//! process.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::CopyError;
use crate::base::foreign::Folder;
use crate::base::io_error::AtPath;
use crate::image::layer::{ArchiveLimits, unpack_files};
use crate::store::{Staging, Store};

/// A temporary store for one image.
pub struct TemporaryStore {
    // Dropped before its folder.
    pub store: Store,
    _staging: Staging,
}

impl TemporaryStore {
    pub fn new(store: &Store) -> Result<Self, CopyError> {
        let staging = store.staging()?;
        Ok(Self { store: Store::open(&staging.path().join("store"))?, _staging: staging })
    }
}

/// A temporary folder.
pub struct TemporaryFolder(Staging);

impl TemporaryFolder {
    pub fn new(store: &Store) -> Result<Self, CopyError> {
        let staging = store.staging()?;
        let path = staging.path().join("layout");
        std::fs::create_dir(&path).at("create", &path)?;
        Ok(Self(staging))
    }

    /// A temporary folder with the files of an archive.
    pub fn unpacked(store: &Store, archive: &Path) -> Result<Self, CopyError> {
        let folder = Self::new(store)?;
        let file = File::open(archive).at("open", archive)?;
        unpack_files(file, Folder::open(&folder.path())?, ArchiveLimits::default())?;
        Ok(folder)
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("layout")
    }
}
