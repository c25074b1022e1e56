//! The saved hash states of a layer, for a step that makes a similar layer each time.
//!
//! ```text
//! "rbuild marks 1\n", the states (see `layer::Marks`), BLAKE3 of everything above
//! ```

use std::path::PathBuf;

use crate::base::digest::FieldHasher;
use crate::base::hex;
use crate::base::io_error::AtPath as _;
use crate::image::layer::Marks;
use crate::store::{Store, StoreError};

const MAGIC: &[u8] = b"rbuild marks 1\n";

/// The file of one step.
pub(super) struct Resume {
    path: PathBuf,
    pub marks: Marks,
}

impl Resume {
    /// Loads the states of the step called `name`, if there are any.
    pub fn load(store: &Store, name: &str) -> Result<Self, StoreError> {
        let name = FieldHasher::new("marks-of-1").field(name.as_bytes()).finish();
        let name = hex::encode(&name);
        let path = store.copies()?.join(name);
        let marks = std::fs::read(&path).ok().and_then(|bytes| parse(&bytes)).unwrap_or_default();
        Ok(Self { path, marks })
    }

    /// Replaces the saved states.
    pub fn keep(self, store: &Store, marks: &Marks) -> Result<(), StoreError> {
        if marks.is_empty() || *marks == self.marks {
            return Ok(());
        }
        let mut bytes = [MAGIC, &marks.to_bytes()].concat();
        bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
        let staging = store.staging()?;
        let new = staging.path().join("marks");
        std::fs::write(&new, bytes).at("write", &new)?;
        std::fs::rename(&new, &self.path).at("rename", &new)?;
        Ok(())
    }
}

/// Ignores a file that was damaged by a power loss.
fn parse(bytes: &[u8]) -> Option<Marks> {
    let (content, sum) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(content).as_bytes() != sum {
        return None;
    }
    Marks::parse(content.strip_prefix(MAGIC)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::image::layer::{NothingKnown, hash_stacked};

    #[test]
    fn what_was_kept_is_loaded_and_what_is_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let layer = folder.path().join("layer");
        fs::create_dir(&layer).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(layer.join(name), vec![7; 1 << 20]).unwrap();
        }
        let (_, marks) = hash_stacked(&[&layer], &NothingKnown, &Marks::default()).unwrap();
        let resume = Resume::load(&store, "step").unwrap();
        assert!(resume.marks.is_empty() && !marks.is_empty());
        let path = resume.path.clone();
        resume.keep(&store, &marks).unwrap();
        assert_eq!(Resume::load(&store, "step").unwrap().marks, marks);
        assert!(Resume::load(&store, "another").unwrap().marks.is_empty());
        let bytes = fs::read(&path).unwrap();
        for place in [0, MAGIC.len(), bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(Resume::load(&store, "step").unwrap().marks.is_empty(), "{place}");
        }
    }
}
