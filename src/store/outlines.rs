//! Outlines of layers, which survive their layers and may come from elsewhere. `snapshot` knows their format.
//!
//! `outlines/<hex>` holds the outline of the layer with that diffID, and a BLAKE3 of it.

use std::path::PathBuf;
use std::time::SystemTime;

use super::{Reader, Store, StoreError};
use crate::base::digest::DiffId;
use crate::base::io_error::AtPath;

impl Reader {
    /// The outline of a layer, if there is one. One damaged by a power loss does not count.
    pub fn outline(&self, diff_id: &DiffId) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.outline_path(diff_id);
        let mut bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            result => result.at("read", &path)?,
        };
        let Some((outline, checksum)) = bytes.split_last_chunk::<32>() else { return Ok(None) };
        if blake3::hash(outline).as_bytes() != checksum {
            return Ok(None);
        }
        bytes.truncate(outline.len());
        // The most recently used is removed last.
        let _ = std::fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Ok(Some(bytes))
    }

    fn outline_path(&self, diff_id: &DiffId) -> PathBuf {
        self.root.join("outlines").join(diff_id.hex())
    }
}

impl Store {
    /// Stores the outline of a layer, replacing an existing one.
    pub fn add_outline(&self, diff_id: &DiffId, outline: &[u8]) -> Result<(), StoreError> {
        let target = self.outline_path(diff_id);
        let folder = self.root.join("outlines");
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        let staging = self.staging()?;
        let new = staging.path().join("outline");
        std::fs::write(&new, [outline, blake3::hash(outline).as_bytes()].concat()).at("write", &new)?;
        std::fs::rename(&new, &target).at("rename", &new)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_outline_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let diff_id = DiffId::from_bytes([7; 32]);
        assert_eq!(store.outline(&diff_id).unwrap(), None);
        store.add_outline(&diff_id, b"one").unwrap();
        store.add_outline(&diff_id, b"another").unwrap();
        assert_eq!(store.outline(&diff_id).unwrap().unwrap(), b"another");
        std::fs::write(store.outline_path(&diff_id), b"another").unwrap();
        assert_eq!(store.outline(&diff_id).unwrap(), None);
    }
}
