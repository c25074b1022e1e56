//! Reads a layer's stream as a list of changes.

use std::collections::HashMap;
use std::io::{self, PipeReader, Read as _};
use std::path::{Component, Path, PathBuf};

use super::ContentsError;
use crate::base::digest::{ContentDigest, DiffId};
use crate::image::layer::{self, ArchiveLimits, ArchiveReader, EntryKind};
use crate::store::Store;
use crate::transport::transfer;

const BUFFER: usize = 128 << 10;
const DELETED: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// A file type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// With its own content, or a hard link to such a file.
    Regular,
    /// A directory.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its type.
    pub kind: FileKind,
    /// The size of its content; 0 for a further hard link.
    pub bytes: u64,
    /// The file's number within its layer. All its names (hard links) have the same.
    pub node: usize,
    /// Permissions, with the set-user-ID, set-group-ID and sticky bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// The digest of a regular file's content, or of a symbolic link's target.
    pub digest: Option<ContentDigest>,
}

impl File {
    /// Whether type and content are the same, whatever the owner and mode.
    pub fn has_same_content(&self, other: &Self) -> bool {
        (self.kind, self.digest) == (other.kind, other.digest)
    }
}

/// A layer's change at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Is(PathBuf, File),
    /// The path in the layers below is deleted.
    Deleted(PathBuf),
    /// The contents of the folder in the layers below are deleted.
    Emptied(PathBuf),
}

impl Entry {
    /// The size of its file.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Is(_, file) => file.bytes,
            _ => 0,
        }
    }
}

/// Reads the layer: first the deletions, then the files, in the stream's order.
pub(super) fn read(store: &Store, diff_id: &DiffId) -> Result<Vec<Entry>, ContentsError> {
    let (reader, writer) = io::pipe().map_err(ContentsError::Pipe)?;
    let entries = std::thread::scope(|scope| {
        let sender = scope.spawn(move || transfer::write_stream(store, diff_id, writer));
        let entries = entries(reader);
        match (sender.join(), entries) {
            (Ok(Ok(())), entries) => entries,
            // The stream was cut off by that error.
            (Ok(Err(error)), Ok(_)) => Err(error.into()),
            (Ok(Err(_)), Err(error)) => Err(error),
            (Err(panic), _) => std::panic::resume_unwind(panic),
        }
    })?;
    let (mut taken, had): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| !matches!(entry, Entry::Is(..)));
    taken.extend(had);
    Ok(taken)
}

fn entries(stream: PipeReader) -> Result<Vec<Entry>, ContentsError> {
    let mut archive = ArchiveReader::new(stream, ArchiveLimits::default());
    let (mut entries, mut buffer) = (Vec::new(), vec![0; BUFFER]);
    // What a later entry can be another name of.
    let mut regular: HashMap<PathBuf, (usize, ContentDigest)> = HashMap::new();
    while let Some(header) = archive.next_entry()? {
        let Some(path) = inside(&header.path) else { continue };
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name == OPAQUE {
            entries.push(Entry::Emptied(path.parent().unwrap_or(Path::new("")).to_owned()));
            continue;
        }
        if let Some(name) = name.strip_prefix(DELETED) {
            // The rest of a name after the ASCII prefix of a whiteout.
            let name = String::from_utf8_lossy(name).into_owned();
            entries.push(Entry::Deleted(path.with_file_name(name)));
            continue;
        }
        let of_target = |target: &Path| digest_of(target.as_os_str().as_encoded_bytes());
        let mut node = entries.len();
        let (kind, bytes, digest) = match &header.kind {
            EntryKind::File(layer::FileKind::Regular) => {
                let digest = digest(&mut archive, &mut buffer)?;
                regular.insert(path.clone(), (node, digest));
                (FileKind::Regular, header.size, Some(digest))
            }
            EntryKind::HardLink(target) => {
                let first = inside(target).and_then(|target| regular.get(&target).copied());
                let (first, digest) = first.unwrap_or((node, of_target(target)));
                node = first;
                regular.insert(path.clone(), (node, digest));
                (FileKind::Regular, 0, Some(digest))
            }
            EntryKind::File(layer::FileKind::Directory) => (FileKind::Folder, 0, None),
            EntryKind::Symlink(target) => (FileKind::Link, 0, Some(of_target(target))),
            EntryKind::File(_) => (FileKind::Other, 0, None),
        };
        let file = File { kind, bytes, node, mode: header.mode, owner: (header.uid, header.gid), digest };
        entries.push(Entry::Is(path, file));
    }
    archive.drain()?;
    Ok(entries)
}

/// The path relative to the root; `None` for the root, and for a path that leads outside.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::ParentDir => return None,
            _ => {}
        }
    }
    (!inside.as_os_str().is_empty()).then_some(inside)
}

fn digest(archive: &mut ArchiveReader<PipeReader>, buffer: &mut [u8]) -> Result<ContentDigest, ContentsError> {
    let (mut hasher, mut content) = (blake3::Hasher::new(), archive.content());
    loop {
        match content.read(buffer).map_err(ContentsError::Read)? {
            0 => return Ok(ContentDigest::from_bytes(*hasher.finalize().as_bytes())),
            count => _ = hasher.update(&buffer[..count]),
        }
    }
}

fn digest_of(bytes: &[u8]) -> ContentDigest {
    ContentDigest::from_bytes(*blake3::hash(bytes).as_bytes())
}
