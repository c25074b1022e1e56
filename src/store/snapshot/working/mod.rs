//! A root filesystem as one folder that a program works in, where nothing can be mounted: copies of the layers' files, one
//! on top of the other, and what changed in them afterwards.
//!
//! One folder serves a chain of steps: after each it has what the step's layer says. Nothing runs in it while it is
//! looked at or changed here; so a path that was resolved stays what it was. A container has one of its own for each time
//! that it runs, in the container's folder.

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

/// The name of the root in its place.
const ROOT: &str = "root";

/// Where it is.
enum Home {
    /// It goes with this.
    Staging(Staging),
    /// It is its owner's.
    Own(PathBuf),
}

pub struct WorkingRoot {
    home: Home,
    /// Of the folders of its layers, the lowest first.
    layers: Vec<Identity>,
    placed: Vec<Placed>,
    /// Standard places that were not there.
    missing: Vec<&'static str>,
}

impl WorkingRoot {
    /// One without any layer.
    pub fn new(store: &Store) -> Result<Self, SnapshotError> {
        Self::at(Home::Staging(store.staging()?))
    }

    /// The same in an empty folder that is the caller's, and stays.
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

    /// How many of these layers it has; nothing when it has others.
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

    /// Puts those of the layers that it has not on top.
    pub fn bring_to(&mut self, layers: &[PathBuf]) -> Result<(), SnapshotError> {
        for folder in &layers[self.layers.len().min(layers.len())..] {
            self.add(folder)?;
            self.layers.push(identity(folder)?);
        }
        Ok(())
    }

    /// Puts a layer's folder on top which is not finished.
    pub fn add(&self, folder: &Path) -> Result<(), SnapshotError> {
        flatten_tree(folder, &self.path())
    }

    /// From now on it is what that layer made of it. The folder keeps its identity when it is renamed.
    pub fn is_now(&mut self, layer: &Path) -> Result<(), IoError> {
        self.layers.push(identity(layer)?);
        Ok(())
    }

    /// What is seen in it now, but for what was placed.
    pub fn scan(&self) -> Result<Scan, SnapshotError> {
        let placed: Vec<&Path> = self.placed.iter().map(Placed::path).collect();
        Scan::of(&Folder::open(&self.path())?, &placed)
    }

    /// Writes into the layer folder `upper` what has changed since, as overlayfs would have. Folders that had to be given a
    /// new name, and standard places that were not there, are changes too: overlayfs has those in a step's layer.
    pub fn write_layer(&self, before: &Scan, below: &View, upper: &Path) -> Result<(), SnapshotError> {
        let lifted: Vec<&Path> = self.placed.iter().filter_map(Placed::lifted).collect();
        self.write(before, &lifted, below, upper)?;
        let layer = Folder::open(upper)?;
        for name in self.missing.iter().map(OsStr::new) {
            layer.made_folder(name, 0o755)?;
        }
        Ok(())
    }

    /// The same of what programs have changed, and nothing else.
    pub fn write_changes(&self, before: &Scan, below: &View, upper: &Path) -> Result<(), SnapshotError> {
        self.write(before, &[], below, upper)
    }

    fn write(&self, before: &Scan, lifted: &[&Path], below: &View, upper: &Path) -> Result<(), SnapshotError> {
        let mut after = self.scan()?;
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
