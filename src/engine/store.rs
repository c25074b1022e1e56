//! Opens the store as all verbs use it.

use std::path::Path;
use std::sync::Arc;

use crate::build::remote_cache::Origins;
use crate::store::{Store, StoreError};

/// Opens the store. Layers that are not local are fetched on demand.
pub fn open(root: &Path) -> Result<Store, StoreError> {
    let store = Store::open(root)?;
    store.set_origin(Arc::new(Origins::default()));
    Ok(store)
}
