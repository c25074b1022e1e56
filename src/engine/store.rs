//! The store, as all that works with it has it.

use std::path::Path;
use std::sync::Arc;

use crate::build::remote_cache::Origins;
use crate::store::{Store, StoreError};

/// Opens it. Layers that are not here are fetched from where they are known to be.
pub fn open(root: &Path) -> Result<Store, StoreError> {
    let store = Store::open(root)?;
    store.set_origin(Arc::new(Origins::default()));
    Ok(store)
}
