//! Places the gathered files in a new layer. Destinations and attributes follow BuildKit: folders that a copy must
//! create belong to root, or to `--chown` and `--chmod`; an existing destination folder keeps its attributes; folders
//! inside it take the source's attributes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::base::digest::ContentDigest;
use crate::base::io_error::AtPath;
use crate::build::context::{SelectOptions, SelectedItem, SelectedRoot};
use crate::image::layer::FileKind;
use crate::language::plan::{Chmod, CopyStep};
use crate::store::snapshot::{Attributes, Draft, NewFolders, Node, Owner, SnapshotError};

use super::super::error::StepError;
use super::archive;
use super::earlier::Earlier;
use super::gather::{Content, Gathered};
use super::list::{List, Listing};
use super::placed::{Kind, Placed};
use super::source::{Facts, Files};

pub(super) struct Placer<'a> {
    pub(super) draft: Draft,
    pub(super) step: &'a CopyStep,
    /// `--chown`, resolved.
    pub(super) owner: Option<Owner>,
    /// The first path of files with several names.
    links: HashMap<(u64, u64), PathBuf>,
    /// `None` if the list is not needed.
    listing: Option<Listing>,
    earlier: Option<Earlier>,
}

impl<'a> Placer<'a> {
    pub fn new(draft: Draft, step: &'a CopyStep, owner: Option<Owner>) -> Self {
        Self { draft, step, owner, links: HashMap::new(), listing: None, earlier: None }
    }

    /// Records everything that is placed.
    pub fn listed(self, listing: Listing) -> Self {
        Self { listing: Some(listing), ..self }
    }

    /// Takes files that the same copy put into an earlier layer from there.
    pub fn with_earlier(self, earlier: Option<Earlier>) -> Self {
        Self { earlier, ..self }
    }

    /// Ends the layer; returns the list of what was placed, and whether it is complete.
    pub fn finish(self) -> Result<(List, bool), StepError> {
        self.draft.finish()?;
        Ok(self.listing.map_or_else(|| Ok((List::default(), false)), Listing::finish)?)
    }

    pub fn place(&mut self, gathered: &Gathered) -> Result<(), StepError> {
        match &gathered.content {
            Content::Inline { name, content, mtime } => {
                let attributes = Attributes { mode: 0o644, mtime: *mtime, ..Attributes::default() };
                self.place_single(name, &mut content.as_slice(), attributes)
            }
            Content::File { path, name, mode, mtime, .. } => {
                let open = || Ok(File::open(path).at("open", path)?);
                if gathered.unpack && archive::unpack(self, &open, &gathered.shown)? {
                    return Ok(());
                }
                let attributes = Attributes { mode: *mode, mtime: Some(*mtime), ..Attributes::default() };
                self.place_single(name, &mut open()?, attributes)
            }
            Content::Tree { files, roots, options } => {
                if roots.is_empty() && self.step.parents {
                    self.destination_folder()?;
                }
                for root in roots {
                    self.links.clear();
                    let is_file = root.kind == FileKind::Regular;
                    let open = || files.open_file(&root.path);
                    if gathered.unpack && is_file && archive::unpack(self, &open, &gathered.shown)? {
                        continue;
                    }
                    self.place_root(files, root, options)?;
                }
                Ok(())
            }
        }
    }

    /// Places a single file that is not part of a tree.
    fn place_single(&mut self, name: &str, content: &mut dyn Read, attributes: Attributes) -> Result<(), StepError> {
        let target = self.target(false, OsStr::new(name))?;
        let mut file = self.create_file(&target)?;
        io::copy(content, &mut file).at("write", &target)?;
        let attributes = self.changed(&attributes, FileKind::Regular);
        self.draft.end_file(&file, &target, &attributes)?;
        Ok(())
    }

    fn place_root(&mut self, files: &Files, root: &SelectedRoot, options: &SelectOptions) -> Result<(), StepError> {
        let base = self.base_of(root)?;
        root.visit(files.source_tree(), options, &mut |item: SelectedItem| -> Result<(), StepError> {
            let target = join(&base, &item.destination);
            let facts = files.facts(&item.source)?;
            self.place_item(files, &target, &item, facts)
        })?;
        self.end_root(files, root, &base)
    }

    /// The destination of a folder's content gets that folder's time, as in BuildKit, unless there is an epoch. The
    /// root of a context has no time.
    pub(super) fn end_root(&mut self, files: &Files, root: &SelectedRoot, base: &Path) -> Result<(), StepError> {
        let is_context = matches!(files, Files::Context(_)) && root.path.as_os_str().is_empty();
        if root.kind.is_directory() && !is_context && self.step.epoch.is_none() && !base.as_os_str().is_empty() {
            let mtime = files.facts(&root.path)?.attributes.mtime.unwrap_or(self.draft.now());
            self.draft.set_folder_time(base, mtime)?;
        }
        Ok(())
    }

    /// The destination of the root.
    pub(super) fn base_of(&mut self, root: &SelectedRoot) -> Result<PathBuf, StepError> {
        if self.step.parents { self.destination_folder() } else { self.target(root.kind.is_directory(), &root.name) }
    }

    pub(super) fn place_item(
        &mut self,
        files: &Files,
        target: &Path,
        item: &SelectedItem,
        facts: Facts,
    ) -> Result<(), StepError> {
        if !item.kind.is_directory() {
            return self.place_file(files, target, item, facts);
        }
        let is_root = item.destination.as_os_str().is_empty();
        if !is_root || item.is_parent {
            self.list(target, item, &facts, None)?;
        }
        let there = match (is_root, item.is_parent) {
            (true, _) => IfThere::Stays,
            (false, true) => IfThere::TakesMode,
            (false, false) => IfThere::TakesAll,
        };
        self.place_folder(target, &facts, there)
    }

    /// The list's record of the item; `content` is a file's digest and its size in the layer.
    pub(super) fn placed<'p>(
        &self,
        path: &'p [u8],
        item: &SelectedItem,
        facts: &Facts,
        content: Option<(ContentDigest, u64)>,
    ) -> Placed<'p> {
        let kind = match item.kind {
            FileKind::Directory => Kind::Folder,
            FileKind::Symlink => Kind::Symlink,
            FileKind::Regular if content.is_none() => Kind::Unknown,
            FileKind::Regular if facts.hard_link.is_some() => Kind::LinkedFile,
            FileKind::Regular => Kind::File,
            _ => Kind::Node,
        };
        let (digest, size) = content.unwrap_or_else(|| match &facts.link_target {
            Some(target) => (ContentDigest::of(target.as_os_str().as_bytes()), 0),
            None => (ContentDigest::of(&item.kind.encoded()), 0),
        });
        let Attributes { mode, owner, mtime, .. } = self.changed(&facts.attributes, item.kind);
        Placed { path, kind, mode, owner, mtime: mtime.unwrap_or(self.draft.now()), size, digest }
    }

    fn list(
        &mut self,
        target: &Path,
        item: &SelectedItem,
        facts: &Facts,
        content: Option<(ContentDigest, u64)>,
    ) -> Result<(), StepError> {
        let placed = self.placed(target.as_os_str().as_bytes(), item, facts, content);
        Ok(self.listing.as_mut().map_or(Ok(()), |listing| listing.push(&placed))?)
    }

    /// Lists a file with unknown content, in place of an earlier one.
    fn list_unknown(&mut self, target: &Path) -> Result<(), StepError> {
        let (owner, digest) = (Owner::default(), ContentDigest::from_bytes([0; 32]));
        let path = target.as_os_str().as_bytes();
        let placed = Placed { path, kind: Kind::Unknown, mode: 0, owner, mtime: 0, size: 0, digest };
        Ok(self.listing.as_mut().map_or(Ok(()), |listing| listing.push(&placed))?)
    }

    /// The path of a source in the layer, whose folder is made: the destination itself, or `name` in it if that is a
    /// folder and the source is not.
    fn target(&mut self, source_is_dir: bool, name: &OsStr) -> Result<PathBuf, StepError> {
        let destination = Path::new(&self.step.destination);
        if self.step.destination.ends_with('/') {
            self.make_folders(destination)?;
        } else {
            self.make_folders(destination.parent().unwrap_or(Path::new("/")))?;
        }
        let resolved = self.resolve(destination)?;
        let there = self.draft.view().lstat(&resolved)?;
        let is_folder = resolved.as_os_str().is_empty() || there.is_some_and(|entry| entry.is_dir());
        if source_is_dir {
            if there.is_some() && !is_folder {
                return Err(StepError::NotDirectory { path: resolved });
            }
            self.make_folders(&resolved)?;
            return Ok(resolved);
        }
        if is_folder {
            return Ok(resolved.join(name));
        }
        // The destination may be a link into a missing folder.
        self.make_folders(resolved.parent().unwrap_or(Path::new("")))?;
        Ok(resolved)
    }

    /// The destination as a folder.
    fn destination_folder(&mut self) -> Result<PathBuf, StepError> {
        self.destination_folder_with(self.mode_of_new_folders())
    }

    /// The destination as a folder; missing folders are made with `mode`.
    pub(super) fn destination_folder_with(&mut self, mode: u32) -> Result<PathBuf, StepError> {
        let destination = self.resolve(Path::new(&self.step.destination))?;
        self.make_folders_with(&destination, mode)?;
        self.resolve(&destination)
    }

    /// Makes the folder and its missing parents.
    fn make_folders(&mut self, path: &Path) -> Result<(), StepError> {
        self.make_folders_with(path, self.mode_of_new_folders())
    }

    fn mode_of_new_folders(&self) -> u32 {
        self.step.chmod.as_ref().and_then(Chmod::of_new_folders).unwrap_or(0o755)
    }

    fn make_folders_with(&mut self, path: &Path, mode: u32) -> Result<(), StepError> {
        let resolved = self.resolve(path)?;
        let folders = NewFolders { mode, owner: self.owner, mtime: self.step.epoch };
        self.draft.make_dir_all(&resolved, folders).map_err(snapshot_error)?;
        Ok(())
    }

    fn resolve(&self, path: &Path) -> Result<PathBuf, StepError> {
        Ok(self.draft.view().resolve(Path::new(""), path)?)
    }

    fn place_folder(&mut self, target: &Path, facts: &Facts, there: IfThere) -> Result<(), StepError> {
        let attributes = self.changed(&facts.attributes, FileKind::Directory);
        match self.draft.view().lstat(target)? {
            _ if target.as_os_str().is_empty() => Ok(()),
            None => Ok(self.draft.make_dir(target, &attributes)?),
            Some(entry) if !entry.is_dir() => Err(StepError::NotDirectory { path: target.to_owned() }),
            Some(entry) => match there {
                IfThere::Stays => Ok(()),
                IfThere::TakesMode if entry.mode == facts.attributes.mode => Ok(()),
                IfThere::TakesMode => {
                    let (owner, mtime) = (entry.owner, Some(entry.mtime));
                    let attributes = Attributes { mode: facts.attributes.mode, owner, mtime, ..Attributes::default() };
                    Ok(self.draft.set_attributes(target, &attributes)?)
                }
                IfThere::TakesAll => Ok(self.draft.set_attributes(target, &attributes)?),
            },
        }
    }

    fn place_file(&mut self, files: &Files, target: &Path, item: &SelectedItem, facts: Facts) -> Result<(), StepError> {
        if let Some(inode) = facts.hard_link {
            if let Some(first) = self.links.get(&inode).cloned() {
                let digest = matches!(files, Files::Context(_)).then(|| files.digest(&item.source)).transpose()?;
                // The size of a file with several names is not used.
                self.list(target, item, &facts, digest.map(|digest| (digest, 0)))?;
                self.draft.hard_link(&first, target).map_err(snapshot_error)?;
                return Ok(());
            }
            self.links.insert(inode, target.to_owned());
        }
        let attributes = self.changed(&facts.attributes, item.kind);
        let node = match item.kind {
            FileKind::Symlink => Node::Symlink(facts.link_target.as_deref().unwrap_or(Path::new(""))),
            FileKind::Fifo => Node::Fifo,
            // As in BuildKit, a block device becomes a character device of the same numbers, and a socket an empty file.
            FileKind::CharDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
                Node::CharDevice(rustix::fs::makedev(major, minor))
            }
            FileKind::Regular | FileKind::Socket | FileKind::Directory => {
                let is_linked = facts.hard_link.is_some();
                if let Some(content) = self.link_earlier(files, target, item, (&attributes, is_linked))? {
                    self.list(target, item, &facts, Some(content))?;
                    return Ok(());
                }
                let file = self.draft.create_file(target).map_err(snapshot_error)?;
                let digest = match item.kind {
                    FileKind::Regular => Some(files.copy_content(&item.source, &facts, &file)?),
                    _ => None,
                };
                let size = self.draft.end_file(&file, target, &attributes)?;
                return self.list(target, item, &facts, digest.map(|digest| (digest, size)));
            }
        };
        self.draft.make_node(target, &node, &attributes).map_err(snapshot_error)?;
        self.list(target, item, &facts, None)
    }

    /// Returns the digest and the size of the linked file.
    fn link_earlier(
        &mut self,
        files: &Files,
        target: &Path,
        item: &SelectedItem,
        (attributes, is_linked): (&Attributes, bool),
    ) -> Result<Option<(ContentDigest, u64)>, StepError> {
        let (Some(earlier), FileKind::Regular, Files::Context(_)) = (&mut self.earlier, item.kind, files) else {
            return Ok(None);
        };
        let digest = files.digest(&item.source)?;
        let linked = earlier.link(&mut self.draft, target, &digest, (attributes, is_linked)).map_err(snapshot_error)?;
        Ok(linked.map(|size| (digest, size)))
    }

    /// Creates a file whose digest is not computed.
    fn create_file(&mut self, target: &Path) -> Result<File, StepError> {
        self.list_unknown(target)?;
        self.draft.create_file(target).map_err(snapshot_error)
    }

    /// The attributes with `--chown` and `--chmod` applied, and the time limited by the epoch.
    fn changed(&self, attributes: &Attributes, kind: FileKind) -> Attributes {
        let mode = match &self.step.chmod {
            Some(chmod) => chmod.apply(attributes.mode, kind.is_directory()),
            None => attributes.mode,
        };
        let latest = self.step.latest_time.unwrap_or(i64::MAX);
        let mtime = attributes.mtime.map(|seconds| seconds.min(latest));
        Attributes { mode, owner: self.owner.unwrap_or(attributes.owner), mtime, ..attributes.clone() }
    }
}

/// What happens to an existing folder.
#[derive(Clone, Copy)]
enum IfThere {
    Stays,
    /// It takes the source's mode, whatever `--chmod` says: it is above what `--parents` selects.
    TakesMode,
    TakesAll,
}

pub(super) fn join(base: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { base.to_owned() } else { base.join(below) }
}

/// Something in the way has its own error.
pub(super) fn snapshot_error(error: SnapshotError) -> StepError {
    match error {
        SnapshotError::NotDirectory { path } => StepError::NotDirectory { path },
        SnapshotError::IsDirectory { path } => StepError::IsDirectory { path },
        other => other.into(),
    }
}
