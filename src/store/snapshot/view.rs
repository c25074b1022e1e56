//! What is at a path of a stack of layers, merged by overlayfs' rules (kernel, filesystems/overlayfs.rst): the topmost
//! layer that has a name decides; folders merge downwards until one is opaque or something else is in the way.
//!
//! Paths are relative to the root, without `.` and `..`; the root is the empty path. They are resolved name by name
//! within the layers, never through a symbolic link of the host.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::finished::{FinishedLayer, Place};
use super::layer_folder::LayerFolder;
use super::{Entry, Outline, SnapshotError};
use crate::base::io_error::{AtPath, IoError, check_depth};
use crate::base::rights;
use crate::image::layer::{FileKind, LowerTree};

/// The kernel's limit, path_resolution(7).
const MOST_LINKS: usize = 40;

/// What a finished layer is read from.
#[derive(Debug, Clone)]
pub enum Lower {
    Folder(PathBuf),
    /// Sufficient for steps that add files on top and read none below.
    Outline(Arc<Outline>),
}

/// A layer of a view.
#[derive(Clone)]
pub(super) enum Tree {
    /// A layer that still changes, or that is not a layer of the store.
    Changing(Arc<LayerFolder>),
    Finished(Arc<FinishedLayer>),
    Outline(Arc<Outline>),
}

/// A merged, read-only view of a stack of layers.
pub struct View {
    /// The topmost layer first.
    pub(super) layers: Vec<Tree>,
    /// The layers that a folder is merged from; `None` for anything else.
    directories: Mutex<HashMap<PathBuf, Arc<[usize]>>>,
}

impl View {
    /// A view of the folders `layers`, the lowest first, which may change meanwhile.
    pub fn open(layers: &[PathBuf]) -> Result<Self, SnapshotError> {
        rights::held()?;
        let open = |path: &PathBuf| Ok(Tree::Changing(Arc::new(LayerFolder::changing(path)?)));
        Ok(Self::of(layers.iter().rev().map(open).collect::<Result<_, SnapshotError>>()?))
    }

    /// A view of finished layers, the lowest first, below the folder that a container writes.
    pub fn of_container(layers: &[PathBuf], upper: Option<&Path>) -> Result<Self, SnapshotError> {
        let below = Self::of_layers(layers)?;
        let Some(upper) = upper else { return Ok(below) };
        let upper = Tree::Changing(Arc::new(LayerFolder::changing(upper)?));
        Ok(Self::of(std::iter::once(upper).chain(below.layers).collect()))
    }

    /// The same for folders of finished layers of the store: what is read from them is cached for other views.
    pub fn of_layers(layers: &[PathBuf]) -> Result<Self, SnapshotError> {
        Self::over(&layers.iter().cloned().map(Lower::Folder).collect::<Vec<_>>())
    }

    /// A view of finished layers, the lowest first, some of which may be only outlined.
    pub fn over(layers: &[Lower]) -> Result<Self, SnapshotError> {
        rights::held()?;
        let open = |layer: &Lower| {
            Ok(match layer {
                Lower::Folder(path) => Tree::Finished(FinishedLayer::open(path)?),
                Lower::Outline(outline) => Tree::Outline(outline.clone()),
            })
        };
        Ok(Self::of(layers.iter().rev().map(open).collect::<Result<_, SnapshotError>>()?))
    }

    /// The same with the folder `upper` on top, which is being written.
    pub(super) fn below(&self, upper: &Path) -> Result<Self, SnapshotError> {
        let upper = Tree::Changing(Arc::new(LayerFolder::open(upper)?));
        Ok(Self::of(std::iter::once(upper).chain(self.layers.iter().cloned()).collect()))
    }

    fn of(layers: Vec<Tree>) -> Self {
        let root: Arc<[usize]> = (0..layers.len()).collect();
        Self { layers, directories: Mutex::new(HashMap::from([(PathBuf::new(), root)])) }
    }

    /// What is at `path`. A symbolic link in the last place is not followed, and there must be none in the others.
    pub fn lstat(&self, path: &Path) -> Result<Option<Entry>, IoError> {
        let Some(parent) = path.parent() else { return self.root_entry() };
        for &layer in self.directory(parent)?.iter() {
            match self.entry_in(layer, path)? {
                None => {}
                Some(entry) if entry.kind.is_whiteout() => return Ok(None),
                found => return Ok(found),
            }
        }
        Ok(None)
    }

    /// The merged root: that of the topmost layer, or `None` if there is no layer.
    fn root_entry(&self) -> Result<Option<Entry>, IoError> {
        if self.layers.is_empty() { Ok(None) } else { self.entry_in(0, Path::new("")) }
    }

    /// The names in the folder `path`, in byte order; none if it is not a folder.
    pub fn read_dir(&self, path: &Path) -> Result<Vec<(OsString, Entry)>, IoError> {
        check_depth(path.as_os_str().as_bytes())?;
        let mut names: BTreeMap<OsString, Option<Entry>> = BTreeMap::new();
        for &layer in self.directory(path)?.iter() {
            let here = match &self.layers[layer] {
                Tree::Outline(outline) => outline.names(path),
                tree => tree.folder(path)?.names(path)?,
            };
            for name in here {
                if !names.contains_key(&name)
                    && let Some(entry) = self.named_in(layer, &path.join(&name))?
                {
                    names.insert(name, Some(entry).filter(|entry| !entry.kind.is_whiteout()));
                }
            }
        }
        Ok(names.into_iter().filter_map(|(name, entry)| Some((name, entry?))).collect())
    }

    /// Opens the file at `path` for reading. `entry` is the result of `lstat`.
    pub fn open_file(&self, path: &Path, entry: &Entry) -> Result<File, IoError> {
        self.layers[entry.layer].folder(path)?.open_file(path)
    }

    /// The first bytes of the file at `path`, at most `limit`.
    pub fn read_file(&self, path: &Path, entry: &Entry, limit: u64) -> Result<Vec<u8>, SnapshotError> {
        use std::io::Read as _;
        if let Tree::Outline(outline) = &self.layers[entry.layer] {
            let content = outline.content(path);
            return content.map(<[u8]>::to_vec).ok_or_else(|| SnapshotError::OnlyOutlined { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        self.open_file(path, entry)?.take(limit).read_to_end(&mut bytes).at("read", path)?;
        Ok(bytes)
    }

    pub fn read_link(&self, path: &Path, entry: &Entry) -> Result<PathBuf, IoError> {
        match &self.layers[entry.layer] {
            Tree::Outline(outline) => outline.link(path).ok_or_else(|| only_outlined(path)),
            tree => tree.folder(path)?.read_link(path),
        }
    }

    /// The extended attributes, without those of overlayfs, in byte order of their names.
    pub fn xattrs(&self, path: &Path, entry: &Entry) -> Result<Vec<(String, Vec<u8>)>, IoError> {
        self.layers[entry.layer].folder(path)?.xattrs(path)
    }

    /// The folder of the topmost layer.
    pub(super) fn top(&self) -> Result<&LayerFolder, IoError> {
        let path = Path::new("");
        self.layers.first().ok_or_else(|| only_outlined(path))?.folder(path)
    }

    /// `path` with every symbolic link in it resolved, including the last, as if the folder `base` were the root:
    /// absolute links and `..` stay inside. Missing parts stay as written. The result is relative to the view's root.
    pub fn resolve(&self, base: &Path, path: &Path) -> Result<PathBuf, SnapshotError> {
        let mut rest: Vec<OsString> = Vec::new();
        push_reversed(&mut rest, path);
        let (mut resolved, mut links) = (base.to_owned(), 0);
        while let Some(name) = rest.pop() {
            if name == ".." {
                if resolved != base {
                    resolved.pop();
                }
                continue;
            }
            resolved.push(&name);
            let Some(entry) = self.lstat(&resolved)? else { continue };
            if entry.kind != FileKind::Symlink {
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(SnapshotError::LinkLoop { path: path.to_owned() });
            }
            let target = self.read_link(&resolved, &entry)?;
            if target.is_absolute() {
                resolved = base.to_owned();
            } else {
                resolved.pop();
            }
            push_reversed(&mut rest, &target);
        }
        Ok(resolved)
    }

    /// The layers that the folder `path` is merged from, from the top; none if it is not a folder.
    pub(super) fn directory(&self, path: &Path) -> Result<Arc<[usize]>, IoError> {
        if let Some(known) = self.known(path) {
            return Ok(known);
        }
        let Some(parent) = path.parent() else { return Ok(Arc::new([])) };
        let above = self.directory(parent)?;
        let mut merged = Vec::new();
        for (position, &layer) in above.iter().enumerate() {
            let is_last = position + 1 == above.len();
            let Some((is_dir, is_opaque)) = self.place_in(layer, path, is_last)? else { continue };
            if is_dir {
                merged.push(layer);
            }
            if !is_dir || is_opaque {
                break;
            }
        }
        let merged: Arc<[usize]> = merged.into();
        self.set_directory(path, merged.clone());
        Ok(merged)
    }

    fn known(&self, path: &Path) -> Option<Arc<[usize]>> {
        self.directories.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(path).cloned()
    }

    /// Drops the cached state of the folder `path` and those below it.
    pub(super) fn forget_directories(&self, path: &Path) {
        let mut directories = self.directories.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        directories.retain(|known, _| !known.starts_with(path));
    }

    pub(super) fn set_directory(&self, path: &Path, layers: Arc<[usize]>) {
        self.directories.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(path.to_owned(), layers);
    }

    /// What one layer has at `path`, including a whiteout.
    fn entry_in(&self, layer: usize, path: &Path) -> Result<Option<Entry>, IoError> {
        match &self.layers[layer] {
            Tree::Finished(finished) => Ok(finished.entry(path)?.map(|entry| Entry { layer, ..entry })),
            _ => self.named_in(layer, path),
        }
    }

    /// The same for a name that was just listed.
    fn named_in(&self, layer: usize, path: &Path) -> Result<Option<Entry>, IoError> {
        let entry = match &self.layers[layer] {
            Tree::Outline(outline) => outline.entry(path),
            tree => tree.folder(path)?.entry(path)?,
        };
        Ok(entry.map(|entry| Entry { layer, ..entry }))
    }

    /// Whether one layer's entry at `path` is a folder, and hides what is below; `None` if the layer has nothing there.
    /// What the lowest layer hides does not matter.
    fn place_in(&self, layer: usize, path: &Path, is_last: bool) -> Result<Option<(bool, bool)>, IoError> {
        if let Tree::Finished(finished) = &self.layers[layer] {
            return Ok(match finished.place(path)? {
                Place::Nothing => None,
                Place::Other => Some((false, false)),
                Place::Folder(folder) => Some((true, folder.is_opaque)),
            });
        }
        let Some(entry) = self.named_in(layer, path)? else { return Ok(None) };
        let is_opaque = entry.is_dir()
            && !is_last
            && match &self.layers[layer] {
                Tree::Outline(outline) => outline.is_opaque(path),
                tree => tree.folder(path)?.is_opaque(path)?,
            };
        Ok(Some((entry.is_dir(), is_opaque)))
    }
}

impl Tree {
    /// The layer's folder, if it is local.
    fn folder(&self, path: &Path) -> Result<&LayerFolder, IoError> {
        match self {
            Self::Changing(folder) => Ok(folder),
            Self::Finished(finished) => Ok(&finished.folder),
            Self::Outline(_) => Err(only_outlined(path)),
        }
    }
}

/// Callers must not ask for what an outline lacks: they should have requested the layer.
fn only_outlined(path: &Path) -> IoError {
    let source = std::io::Error::new(std::io::ErrorKind::Unsupported, "only an outline of its layer is here");
    IoError { action: "look at", path: path.to_owned(), source }
}

/// Pushes the names of `path` on the stack, the first on top. Skips leading slashes and `.`.
fn push_reversed(stack: &mut Vec<OsString>, path: &Path) {
    let start = stack.len();
    for component in path.components() {
        match component {
            Component::Normal(name) => stack.push(name.to_owned()),
            Component::ParentDir => stack.push("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    stack[start..].reverse();
}

impl LowerTree for View {
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError> {
        Ok(self.lstat(path)?.map(|entry| entry.kind))
    }
}
