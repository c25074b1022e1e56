//! What every page needs.

use std::path::{Path, PathBuf};

use crate::api::ApiError;
use crate::container::Containers;
use crate::engine;
use crate::store::Store;

/// The store that is served; there is no other state between two requests.
#[derive(Debug, Clone)]
pub struct Service {
    root: PathBuf,
}

impl Service {
    /// `root` must be absolute: monitors have their own working directory.
    pub fn of(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn store(&self) -> Result<Store, ApiError> {
        Ok(engine::store::open(&self.root)?)
    }

    /// Does not open the store's database: that takes longer than most requests about containers.
    pub fn containers(&self) -> Containers {
        Containers::of(&self.root)
    }
}
