//! Which containers use an image.

use std::collections::HashSet;

use crate::base::digest::{DiffId, ImageId};
use crate::container::{Containers, Entry};
use crate::engine::image::ImageError;
use crate::store::Store;

/// The containers of the store, and the images and layers that they need.
pub struct ImageUse {
    containers: Vec<Entry>,
}

impl ImageUse {
    /// Reads all containers of the store.
    pub fn of(store: &Store) -> Result<Self, ImageError> {
        Ok(Self { containers: Containers::of(store.root()).list()? })
    }

    /// A container that uses the image, preferably a running one.
    pub fn user(&self, id: &ImageId) -> Option<&Entry> {
        let id = id.to_string();
        let users = self.containers.iter().filter(|entry| entry.record.uses_image(&id));
        users.max_by_key(|entry| entry.is_running)
    }

    /// The number of containers that were created from it.
    pub fn count(&self, id: &ImageId) -> usize {
        let id = id.to_string();
        self.containers.iter().filter(|entry| entry.record.image == id).count()
    }

    /// The layers that containers need.
    pub fn layers(&self) -> HashSet<DiffId> {
        self.containers.iter().flat_map(|entry| entry.record.needed_layers()).collect()
    }
}
