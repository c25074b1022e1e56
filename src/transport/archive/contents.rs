//! The files of an archive or of a layout folder, by name.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::ArchiveError;
use crate::base::digest::BlobDigest;
use crate::base::foreign::{Folder, Tree};
use crate::image::layer::{ArchiveLimits, ArchiveReader, Decoder, Entry, EntryKind, FileKind};
use crate::transport::transfer::{Received, Receiver};

/// More entries than any image archive has; a million empty ones would only fill the staging folder.
const ENTRY_LIMIT: u64 = 100_000;
/// How many links are followed in a row, as in Linux.
const LINK_LIMIT: usize = 40;

/// Where images are read from.
pub enum Source<'a> {
    /// A tar stream, compressed or not. It is read once, from start to end.
    Stream(Box<dyn Read + Send + 'a>),
    /// An unpacked OCI layout or docker archive. Links in it are followed, but not out of it.
    Folder(PathBuf),
}

/// The files of a source.
pub(super) enum Contents<'r, 's> {
    Spooled(Spool),
    Folder { root: Tree, receiver: &'r mut Receiver<'s>, received: HashMap<String, Arc<Received>> },
}

/// An archive whose files are in staging.
#[derive(Default)]
pub(super) struct Spool {
    files: HashMap<String, Arc<Received>>,
    /// Symbolic and hard links, by name, with the name they refer to.
    links: HashMap<String, String>,
}

impl<'r, 's> Contents<'r, 's> {
    pub fn read(source: Source<'_>, receiver: &'r mut Receiver<'s>) -> Result<Self, ArchiveError> {
        match source {
            Source::Stream(reader) => Ok(Self::Spooled(Spool::read(reader, receiver)?)),
            Source::Folder(root) => {
                let root = Tree::in_root(Folder::open(&root)?);
                Ok(Self::Folder { root, receiver, received: HashMap::new() })
            }
        }
    }

    /// The file `name`; `None` if it does not exist.
    pub fn file(&mut self, name: &str) -> Result<Option<Arc<Received>>, ArchiveError> {
        match self {
            Self::Spooled(spool) => spool.file(name),
            Self::Folder { root, receiver, received } => {
                if let Some(file) = received.get(name) {
                    return Ok(Some(file.clone()));
                }
                let name = clean(Path::new(name), name)?;
                let Some(file) = root.find_file(Path::new(&name))? else { return Ok(None) };
                let file = Arc::new(receiver.receive(file, &name)?);
                received.insert(name, file.clone());
                Ok(Some(file))
            }
        }
    }

    /// The file `name`, which must exist.
    pub fn required(&mut self, name: &str) -> Result<Arc<Received>, ArchiveError> {
        self.file(name)?.ok_or_else(|| ArchiveError::Missing { name: name.to_owned() })
    }

    /// A blob of an OCI layout, with its digest checked.
    pub fn blob(&mut self, digest: &BlobDigest) -> Result<Arc<Received>, ArchiveError> {
        let name = format!("blobs/sha256/{}", digest.hex());
        let file = self.required(&name)?;
        if file.digest == *digest { Ok(file) } else { Err(ArchiveError::WrongDigest { name, actual: file.digest }) }
    }
}

impl Spool {
    fn read(reader: impl Read, receiver: &mut Receiver<'_>) -> Result<Self, ArchiveError> {
        let limits = ArchiveLimits { entries: ENTRY_LIMIT, ..ArchiveLimits::default() };
        let mut stream = Decoder::new(reader).map_err(ArchiveError::Read)?.for_disk_of(receiver.folder());
        let mut spool = Self::default();
        {
            let mut archive = ArchiveReader::new(&mut stream, limits);
            while let Some(entry) = archive.next_entry()? {
                let name = clean(&entry.path, &entry.path.to_string_lossy())?;
                spool.add(name, &entry, archive.content(), receiver)?;
            }
        }
        // Read to the end: the writer of a pipe must not be killed by what follows the end mark.
        io::copy(&mut stream, &mut io::sink()).map_err(ArchiveError::Read)?;
        Ok(spool)
    }

    fn add(
        &mut self,
        name: String,
        entry: &Entry,
        content: impl Read,
        receiver: &mut Receiver<'_>,
    ) -> Result<(), ArchiveError> {
        match &entry.kind {
            EntryKind::File(FileKind::Directory) => return Ok(()),
            EntryKind::File(FileKind::Regular) => {
                let file = receiver.receive(content, &format!("`{name}` in the archive"))?;
                if file.size != entry.size {
                    return Err(ArchiveError::Truncated { name });
                }
                return self.add_file(name, file);
            }
            EntryKind::Symlink(target) => {
                let folder = Path::new(&name).parent().unwrap_or(Path::new(""));
                let target = clean(&folder.join(target), &name)?;
                self.links.insert(name, target);
            }
            EntryKind::HardLink(target) => {
                let target = clean(target, &name)?;
                self.links.insert(name, target);
            }
            EntryKind::File(_) => {
                return Err(ArchiveError::BadEntry { name, reason: "it is a device, a pipe or a socket" });
            }
        }
        Ok(())
    }

    fn add_file(&mut self, name: String, file: Received) -> Result<(), ArchiveError> {
        match self.files.get(&name) {
            Some(other) if other.digest != file.digest => Err(ArchiveError::Duplicate { name }),
            _ => {
                self.files.insert(name, Arc::new(file));
                Ok(())
            }
        }
    }

    fn file(&self, name: &str) -> Result<Option<Arc<Received>>, ArchiveError> {
        let mut current = clean(Path::new(name), name)?;
        for _ in 0..LINK_LIMIT {
            if let Some(file) = self.files.get(&current) {
                return Ok(Some(file.clone()));
            }
            match self.links.get(&current) {
                Some(target) => current = target.clone(),
                None if current == name => return Ok(None),
                None => break,
            }
        }
        Err(ArchiveError::BadLink { name: name.to_owned() })
    }
}

/// The path without `.` and `..`, as a string. Refuses one that leads out of the archive or is not text.
fn clean(path: &Path, shown: &str) -> Result<String, ArchiveError> {
    let refused = |reason| ArchiveError::BadEntry { name: shown.to_owned(), reason };
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(|| refused("its name is not UTF-8"))?),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop().ok_or_else(|| refused("it leads out of the archive"))?;
            }
            Component::RootDir | Component::Prefix(_) => return Err(refused("its path is absolute")),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_archive() {
        let clean = |path: &str| clean(Path::new(path), path).ok();
        assert_eq!(clean("./a/../b//c").as_deref(), Some("b/c"));
        for path in ["../a", "a/../../b", "/etc/passwd"] {
            assert_eq!(clean(path), None, "{path}");
        }
    }
}
