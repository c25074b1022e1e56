//! What every page has at hand.

use std::path::{Path, PathBuf};

use crate::api::ApiError;
use crate::container::Containers;
use crate::engine;
use crate::store::Store;

/// The store that is served; nothing else is known between two requests.
#[derive(Debug, Clone)]
pub struct Service {
    root: PathBuf,
}

impl Service {
    /// `root` is absolute: monitors have a working folder of their own.
    pub fn of(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn store(&self) -> Result<Store, ApiError> {
        Ok(engine::store::open(&self.root)?)
    }

    /// Without the store's database: it takes longer than most of what is asked of containers.
    pub fn containers(&self) -> Containers {
        Containers::of(&self.root)
    }
}
