//! The folder of a finished layer, with a cache. In a stack of hundreds of layers most have nothing at a given path:
//! what was once read of a layer answers that without another system call, for all views of this process.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Entry;
use super::layer_folder::LayerFolder;
use crate::base::io_error::IoError;

/// Larger folders are not cached.
const MOST_NAMES: usize = 64;
/// How many folders of a layer, and how many layers, are cached.
const MOST_FOLDERS: usize = 256;
const MOST_LAYERS: usize = 500;

/// The layers that views of this process have read. A finished layer does not change, but it may be removed, and made
/// again, while a process lives that serves many requests.
static OPENED: Mutex<Option<HashMap<PathBuf, Arc<FinishedLayer>>>> = Mutex::new(None);

pub(super) struct FinishedLayer {
    pub(super) folder: LayerFolder,
    known: Mutex<HashMap<PathBuf, Place>>,
}

/// What a layer has at a path, as far as it matters for merging folders.
#[derive(Clone)]
pub(super) enum Place {
    Nothing,
    /// Anything but a folder, possibly a whiteout.
    Other,
    Folder(Arc<Known>),
}

pub(super) struct Known {
    /// Whether it hides what the layers below have there.
    pub(super) is_opaque: bool,
    /// Read on demand; `None` for a large folder.
    names: OnceLock<Option<HashSet<OsString>>>,
}

/// Closes the folders that no view uses: a process that waits for its next task needs none of them.
pub fn forget_layers() {
    *OPENED.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

impl FinishedLayer {
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, IoError> {
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = opened.get_or_insert_default();
        if let Some(layer) = opened.get(path).filter(|layer| layer.folder.is_at(path)) {
            return Ok(layer.clone());
        }
        if opened.len() >= MOST_LAYERS {
            opened.clear();
        }
        let layer = Arc::new(Self { folder: LayerFolder::open(path)?, known: Mutex::default() });
        opened.insert(path.to_owned(), layer.clone());
        Ok(layer)
    }

    /// Like [`LayerFolder::entry`].
    pub(super) fn entry(&self, path: &Path) -> Result<Option<Entry>, IoError> {
        if self.may_have(path)? { self.folder.entry(path) } else { Ok(None) }
    }

    fn may_have(&self, path: &Path) -> Result<bool, IoError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(true) };
        let Place::Folder(folder) = self.place(parent)? else { return Ok(false) };
        let names = match folder.names.get() {
            Some(names) => names,
            None => {
                let names = Some(self.folder.names(parent)?).filter(|names| names.len() <= MOST_NAMES);
                folder.names.get_or_init(|| names.map(|names| names.into_iter().collect()))
            }
        };
        Ok(names.as_ref().is_none_or(|names| names.contains(name)))
    }

    /// What is at `path`: nothing, a folder, or something that ends the merging of folders.
    pub(super) fn place(&self, path: &Path) -> Result<Place, IoError> {
        if let Some(place) = self.known().get(path) {
            return Ok(place.clone());
        }
        let place = match self.entry(path)? {
            // Not cached: its parent folder answers as fast.
            None => return Ok(Place::Nothing),
            Some(entry) if !entry.is_dir() => Place::Other,
            Some(_) => {
                let is_opaque = self.folder.is_opaque(path)?;
                Place::Folder(Arc::new(Known { is_opaque, names: OnceLock::new() }))
            }
        };
        let mut known = self.known();
        if known.len() >= MOST_FOLDERS {
            known.clear();
        }
        known.insert(path.to_owned(), place.clone());
        Ok(place)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PathBuf, Place>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
