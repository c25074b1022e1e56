//! `ADD` of an archive: unpacked into the destination folder, which is the root for all names and links in it. Archives
//! are recognized by their content, never by their name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::base::io_error::AtPath;
use crate::image::layer::{ArchiveLimits, ArchiveReader, Decoder, Entry, EntryKind, FileKind, LayerError};
use crate::store::snapshot::{Attributes, NewFolders, Node, Owner};

use super::super::error::StepError;
use super::place::{Placer, snapshot_error};

/// Unpacks the file if it is an archive; false if it is not.
pub(super) fn unpack(
    placer: &mut Placer<'_>,
    open: &dyn Fn() -> Result<File, StepError>,
    shown: &str,
) -> Result<bool, StepError> {
    if !is_archive(open()?) {
        return Ok(false);
    }
    let base = placer.destination_folder_with(0o755)?;
    let failed = |source| StepError::Unpack { path: shown.to_owned(), source };
    let file = open()?;
    let size = file.metadata().at("read", shown)?.len();
    let stream =
        Decoder::new(BufReader::new(file)).at("read", shown)?.for_disk_of(placer.draft.directory()).of_size(size);
    let mut archive = ArchiveReader::new(stream, ArchiveLimits::default());
    let mut unpacker = Unpacker { placer, base, folders: BTreeMap::new(), shown };
    while let Some(entry) = archive.next_entry().map_err(failed)? {
        unpacker.entry(&entry, &mut archive.content())?;
    }
    unpacker.finish()?;
    Ok(true)
}

/// Whether the content, decompressed if necessary, begins with a tar header.
fn is_archive(file: File) -> bool {
    let Ok(mut stream) = Decoder::new(BufReader::new(file)) else { return false };
    let mut block = [0; 512];
    stream.read_exact(&mut block).is_ok() && crate::image::layer::looks_like_tar(&block)
}

struct Unpacker<'p, 'a> {
    placer: &'p mut Placer<'a>,
    /// The folder that everything stays in.
    base: PathBuf,
    /// Folders whose attributes are set at the end.
    folders: BTreeMap<PathBuf, Attributes>,
    shown: &'p str,
}

impl Unpacker<'_, '_> {
    fn entry(&mut self, entry: &Entry, content: &mut impl Read) -> Result<(), StepError> {
        let Some(target) = self.target(&entry.path)? else { return Ok(()) };
        let attributes = self.attributes(entry);
        let there = self.placer.draft.view().lstat(&target)?;
        let is_folder = entry.kind == EntryKind::File(FileKind::Directory);
        if is_folder && there.is_some_and(|there| there.is_dir()) {
            self.folders.insert(target, attributes);
            return Ok(());
        }
        if there.is_some() {
            self.folders.retain(|folder, _| !folder.starts_with(&target));
            self.placer.draft.clear(&target)?;
        }
        let draft = &mut self.placer.draft;
        match &entry.kind {
            EntryKind::HardLink(link) => {
                let link = clean(link);
                let existing =
                    self.resolved(link.parent().unwrap_or(&link))?.join(link.file_name().unwrap_or_default());
                let draft = &mut self.placer.draft;
                match draft.view().lstat(&existing)? {
                    Some(found) if !found.is_dir() => {
                        draft.hard_link(&existing, &target).map_err(snapshot_error)?;
                    }
                    _ => return Err(self.unsafe_entry(entry, "its hard link leads to no file of the archive")),
                }
                // The archive's last attributes of a file apply to all of its names.
                draft.set_attributes(&target, &attributes)?;
            }
            EntryKind::Symlink(link) => draft.make_node(&target, &Node::Symlink(link), &attributes)?,
            EntryKind::File(FileKind::Directory) => {
                draft.make_dir(&target, &attributes)?;
                self.folders.insert(target, attributes);
            }
            EntryKind::File(FileKind::Fifo) => draft.make_node(&target, &Node::Fifo, &attributes)?,
            EntryKind::File(FileKind::CharDevice { major, minor }) => {
                draft.make_node(&target, &Node::CharDevice(rustix::fs::makedev(*major, *minor)), &attributes)?;
            }
            EntryKind::File(FileKind::BlockDevice { major, minor }) => {
                draft.make_node(&target, &Node::BlockDevice(rustix::fs::makedev(*major, *minor)), &attributes)?;
            }
            EntryKind::File(FileKind::Regular) => {
                let mut file = draft.create_file(&target).map_err(snapshot_error)?;
                std::io::copy(content, &mut file).map_err(|source| StepError::Unpack {
                    path: self.shown.to_owned(),
                    source: LayerError::Read { entry: entry.path.to_string_lossy().into_owned(), source },
                })?;
                draft.end_file(&file, &target, &attributes)?;
            }
            EntryKind::File(FileKind::Socket | FileKind::Symlink) => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<(), StepError> {
        for (folder, attributes) in &self.folders {
            self.placer.draft.set_attributes(folder, attributes)?;
        }
        Ok(())
    }

    /// The path of the entry, whose parent folders are made; `None` for the archive's own root.
    fn target(&mut self, name: &Path) -> Result<Option<PathBuf>, StepError> {
        let cleaned: PathBuf = clean(name);
        let (Some(parent), Some(last)) = (cleaned.parent(), cleaned.file_name()) else { return Ok(None) };
        let parent = self.resolved(parent)?;
        self.check_link(&cleaned, &parent)?;
        // They belong to root, whatever the owner of the archive's entries.
        let folders = NewFolders { mode: 0o755, owner: Some(Owner::default()), mtime: self.placer.step.epoch };
        self.placer.draft.make_dir_all(&parent, folders).map_err(snapshot_error)?;
        Ok(Some(parent.join(last)))
    }

    /// Refuses a folder that is a link of the archive to a missing folder.
    fn check_link(&self, name: &Path, parent: &Path) -> Result<(), StepError> {
        let view = self.placer.draft.view();
        let Some((above, last)) = name.parent().and_then(|folder| folder.parent().zip(folder.file_name())) else {
            return Ok(());
        };
        let folder = self.resolved(above)?.join(last);
        let is_link = view.lstat(&folder)?.is_some_and(|entry| entry.kind == FileKind::Symlink);
        if !is_link || view.lstat(parent)?.is_some() {
            return Ok(());
        }
        let reason = "a link of the archive leads to a folder that is not there";
        let source = LayerError::Unsafe { entry: format!("/{}", name.display()), reason };
        Err(StepError::Unpack { path: self.shown.to_owned(), source })
    }

    fn resolved(&self, path: &Path) -> Result<PathBuf, StepError> {
        Ok(self.placer.draft.view().resolve(&self.base, path)?)
    }

    fn attributes(&self, entry: &Entry) -> Attributes {
        let capability = |(name, value): &(Vec<u8>, Vec<u8>)| {
            (name == b"security.capability").then(|| ("security.capability".to_owned(), value.clone()))
        };
        Attributes {
            mode: entry.mode,
            owner: self.placer.owner.unwrap_or(Owner { uid: entry.uid, gid: entry.gid }),
            // Like docker, allows no time before 1970.
            mtime: Some(entry.mtime.max(0)),
            xattrs: entry.xattrs.iter().filter_map(capability).collect(),
        }
    }

    fn unsafe_entry(&self, entry: &Entry, reason: &'static str) -> StepError {
        let source = LayerError::Unsafe { entry: entry.path.to_string_lossy().into_owned(), reason };
        StepError::Unpack { path: self.shown.to_owned(), source }
    }
}

/// Removes `.`, leading slashes, and every `..` that would leave the root.
fn clean(name: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in name.components() {
        match component {
            std::path::Component::Normal(name) => clean.push(name),
            std::path::Component::ParentDir => {
                clean.pop();
            }
            _ => {}
        }
    }
    clean
}
