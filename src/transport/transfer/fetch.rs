//! Fetches the blobs of layers that are not local when their bytes are needed.

use super::TransferError;
use super::measure::measure;
use crate::base::digest::DiffId;
use crate::base::side_by_side::side_by_side;
use crate::store::{OriginError, Sizes, Store};

/// Fetches the layer's blob, unless the store has the layer in some form. The error names the location.
pub fn make_present(store: &Store, diff_id: &DiffId) -> Result<(), TransferError> {
    if store.has_layer(diff_id)? {
        return Ok(());
    }
    let _lock = store.lock(&format!("unpack-{}", diff_id.hex()))?;
    if store.has_layer(diff_id)? {
        return Ok(());
    }
    store.fetch_layer(diff_id, |download| {
        let measured = measure(&mut *download, store.root()).map_err(OriginError::gone)?;
        let stream = measured.finish(download.expected());
        if stream.diff_id != *diff_id {
            return Err(OriginError::gone(format!("its content is {}, not {diff_id}", stream.diff_id)));
        }
        Ok(((), Sizes { stream_size: stream.stream_size, content_size: stream.content_size }))
    })?;
    Ok(())
}

/// Fetches the missing ones of these layers, several at a time.
pub fn make_all_present(store: &Store, layers: &[DiffId]) -> Result<(), TransferError> {
    const AT_ONCE: usize = 4;
    side_by_side(layers, AT_ONCE, |diff_id| make_present(store, diff_id)).map(drop)
}
