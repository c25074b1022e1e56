//! A root filesystem as one folder that a program works in, where nothing can be mounted: copies of the layers' files,
//! merged, and what has changed in them since.
//!
//! One folder serves a chain of steps: after each step it has the content of the step's layer. Nothing runs in it while
//! it is read or changed here, so a resolved path stays valid. A container has one for each of its runs, in the
//! container's folder.

mod changes;
mod placing;
mod scan;
mod standard;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::copy_tree::{Identity, flatten_tree};
use super::{SnapshotError, View};
use crate::base::foreign::{Folder, Tree};
use crate::base::io_error::IoError;
use crate::store::{Staging, Store};

pub use placing::Placed;
pub use scan::Scan;

/// The name of the root in its folder.
const ROOT: &str = "root";

/// The location.
enum Home {
    /// Temporary: removed together with this value.
    Staging(Staging),
    /// Owned by the caller.
    Own(PathBuf),
}

pub struct WorkingRoot {
    home: Home,
    /// The folders of its layers, the lowest first.
    layers: Vec<Identity>,
    placed: Vec<Placed>,
    /// Standard entries that did not exist.
    missing: Vec<&'static str>,
}

impl WorkingRoot {
    /// A working root without layers.
    pub fn new(store: &Store) -> Result<Self, SnapshotError> {
        Self::at(Home::Staging(store.staging()?))
    }

    /// The same in an empty folder of the caller's, which is kept.
    pub fn in_folder(folder: &Path) -> Result<Self, SnapshotError> {
        Self::at(Home::Own(folder.to_owned()))
    }

    fn at(home: Home) -> Result<Self, SnapshotError> {
        let root = Self { home, layers: Vec::new(), placed: Vec::new(), missing: Vec::new() };
        Folder::open(root.beside())?.make_folder(OsStr::new(ROOT), 0o700)?;
        Ok(root)
    }

    pub fn path(&self) -> PathBuf {
        self.beside().join(ROOT)
    }

    /// The folder that it is in.
    fn beside(&self) -> &Path {
        match &self.home {
            Home::Staging(staging) => staging.path(),
            Home::Own(path) => path,
        }
    }

    /// How many of these layers it already has; `None` if it has others.
    pub fn has_of(&self, layers: &[PathBuf]) -> Result<Option<usize>, IoError> {
        if self.layers.len() > layers.len() {
            return Ok(None);
        }
        for (own, folder) in self.layers.iter().zip(layers) {
            if identity(folder)? != *own {
                return Ok(None);
            }
        }
        Ok(Some(self.layers.len()))
    }

    /// Adds the layers that it does not have yet.
    pub fn bring_to(&mut self, layers: &[PathBuf]) -> Result<(), SnapshotError> {
        for folder in &layers[self.layers.len().min(layers.len())..] {
            self.add(folder)?;
            self.layers.push(identity(folder)?);
        }
        Ok(())
    }

    /// Adds the folder of an unfinished layer.
    pub fn add(&self, folder: &Path) -> Result<(), SnapshotError> {
        flatten_tree(folder, &self.path())
    }

    /// Records that its content is now that layer. The folder keeps its identity when it is renamed.
    pub fn is_now(&mut self, layer: &Path) -> Result<(), IoError> {
        self.layers.push(identity(layer)?);
        Ok(())
    }

    /// The folder of its uppermost layer is replaced by another one with the same content, which [`Self::bring_to`] then
    /// adds.
    pub fn is_replaced(&mut self, layer: &Path) -> Result<(), IoError> {
        if self.layers.last().is_some() && self.layers.last() == Some(&identity(layer)?) {
            self.layers.pop();
        }
        Ok(())
    }

    /// Its current content, except what was placed; what is changed from now on can be told from it.
    pub fn scan(&self) -> Result<Scan, SnapshotError> {
        let scan = self.look()?;
        scan.wait_for_later_times(self.beside())?;
        Ok(scan)
    }

    fn look(&self) -> Result<Scan, SnapshotError> {
        let placed: Vec<&Path> = self.placed.iter().map(Placed::path).collect();
        Scan::of(&Folder::open(&self.path())?, &placed)
    }

    /// Writes the changes since then to the layer folder `upper`, as overlayfs would. Folders that got a new name, and
    /// standard entries that did not exist, are changes too: overlayfs has them in a step's layer.
    pub fn write_layer(&self, before: &Scan, below: &View, upper: &Path) -> Result<(), SnapshotError> {
        let lifted: Vec<&Path> = self.placed.iter().filter_map(Placed::lifted).collect();
        self.write(before, &lifted, below, upper)?;
        let layer = Folder::open(upper)?;
        for name in self.missing.iter().map(OsStr::new) {
            layer.made_folder(name, 0o755)?;
        }
        Ok(())
    }

    /// The same with only the changes made by programs.
    pub fn write_changes(&self, before: &Scan, below: &View, upper: &Path) -> Result<(), SnapshotError> {
        self.write(before, &[], below, upper)
    }

    fn write(&self, before: &Scan, lifted: &[&Path], below: &View, upper: &Path) -> Result<(), SnapshotError> {
        let mut after = self.look()?;
        self.remove_strays(&mut after)?;
        changes::write(&self.tree()?, (before, &after, lifted), below, upper)
    }

    fn tree(&self) -> Result<Tree, IoError> {
        Ok(Tree::beneath(Folder::open(&self.path())?))
    }
}

fn identity(folder: &Path) -> Result<Identity, IoError> {
    identity_of(&Folder::open(folder)?)
}

fn identity_of(folder: &Folder) -> Result<Identity, IoError> {
    let stat = folder.status()?;
    Ok((stat.st_dev, stat.st_ino))
}
