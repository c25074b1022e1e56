//! Folders for what cannot be read or written in one pass. They lie in the store's staging and go with this process.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::CopyError;
use crate::base::foreign::Folder;
use crate::base::io_error::AtPath;
use crate::image::layer::{ArchiveLimits, unpack_files};
use crate::store::{Staging, Store};

/// A store of its own, for one image.
pub struct TemporaryStore {
    // Gone before its folder is.
    pub store: Store,
    _staging: Staging,
}

impl TemporaryStore {
    pub fn new(store: &Store) -> Result<Self, CopyError> {
        let staging = store.staging()?;
        Ok(Self { store: Store::open(&staging.path().join("store"))?, _staging: staging })
    }
}

/// A folder of its own.
pub struct TemporaryFolder(Staging);

impl TemporaryFolder {
    pub fn new(store: &Store) -> Result<Self, CopyError> {
        let staging = store.staging()?;
        let path = staging.path().join("layout");
        std::fs::create_dir(&path).at("create", &path)?;
        Ok(Self(staging))
    }

    /// With the files of an archive in it.
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
