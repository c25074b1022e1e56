//! What a copy put into its layer, as a file: for half a million names it has 40 MB, too much for memory. It is written
//! during the copy, and read from its start alongside a walk in the same order.
//!
//! ```text
//! per name: length of the prefix shared with the previous path (u16, little-endian), length of the rest (u16),
//!   the rest, the record (see `placed`)
//! ```

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::cursor::Cursor;
use super::placed::{FIXED, Placed};
use crate::base::io_error::{AtPath as _, IoError};
use crate::build::context::compare_paths;

/// How many bytes are written at a time; a shorter list needs no file.
const PIECE: usize = 64 << 10;

/// A list being written.
#[derive(Debug)]
pub(super) struct Listing {
    /// The path of its file.
    path: PathBuf,
    file: Option<File>,
    written: u64,
    /// The bytes after those in the file.
    bytes: Vec<u8>,
    last: Vec<u8>,
    names: usize,
    is_unordered: bool,
    is_cut: bool,
}

/// The names, each once, a folder before its content, in byte order.
#[derive(Debug, Clone)]
pub(super) struct List {
    content: Content,
    names: usize,
}

impl Default for List {
    fn default() -> Self {
        Self { content: Content::Memory([].into()), names: 0 }
    }
}

#[derive(Debug, Clone)]
enum Content {
    Memory(Arc<[u8]>),
    /// A range of a file.
    File(Arc<File>, std::ops::Range<u64>),
}

impl Listing {
    /// A list that is moved to the file `path` once it is long.
    pub fn new(path: PathBuf) -> Self {
        let (bytes, last) = (Vec::new(), Vec::new());
        Self { path, file: None, written: 0, bytes, last, names: 0, is_unordered: false, is_cut: false }
    }

    pub fn push(&mut self, placed: &Placed<'_>) -> Result<(), IoError> {
        self.is_unordered |= self.names > 0 && compare_paths(&self.last, placed.path) != Ordering::Less;
        self.put(placed.path, &placed.fixed())
    }

    fn put(&mut self, path: &[u8], fixed: &[u8; FIXED]) -> Result<(), IoError> {
        let shared = self.last.iter().zip(path).take_while(|(last, path)| last == path).count();
        let (Ok(before), Ok(after)) = (u16::try_from(shared), u16::try_from(path.len() - shared)) else {
            self.is_cut = true;
            return Ok(());
        };
        self.bytes.extend_from_slice(&before.to_le_bytes());
        self.bytes.extend_from_slice(&after.to_le_bytes());
        self.bytes.extend_from_slice(&path[shared..]);
        self.bytes.extend_from_slice(fixed);
        self.last.truncate(shared);
        self.last.extend_from_slice(&path[shared..]);
        self.names += 1;
        if self.bytes.len() > PIECE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), IoError> {
        let mut options = File::options();
        let mut file = match self.file.take() {
            Some(file) => file,
            None => options.read(true).append(true).create_new(true).open(&self.path).at("create", &self.path)?,
        };
        file.write_all(&self.bytes).at("write", &self.path)?;
        self.written += self.bytes.len() as u64;
        self.bytes.clear();
        self.file = Some(file);
        Ok(())
    }

    /// The list, and whether it is complete and in the order in which it was pushed. If a name was placed twice, the
    /// later one counts.
    pub fn finish(mut self) -> Result<(List, bool), IoError> {
        let is_whole = !self.is_unordered && !self.is_cut;
        if self.is_unordered {
            self = self.sorted()?;
        }
        if self.file.is_some() {
            self.write()?;
        }
        let content = match self.file {
            Some(file) => Content::File(Arc::new(file), 0..self.written),
            None => Content::Memory(self.bytes.into()),
        };
        Ok((List { content, names: self.names }, is_whole))
    }

    /// Sorts in memory: copies from several sources are seldom large.
    fn sorted(self) -> Result<Self, IoError> {
        let path = self.path.with_extension("sorted");
        let (list, _) = Self { is_unordered: false, ..self }.finish()?;
        let mut names = BTreeMap::new();
        let mut cursor = list.cursor();
        while let Some(placed) = cursor.here() {
            // No path contains a zero byte, and a slash sorts before every other byte.
            names.insert(replaced(placed.path, b'/', 0), placed.fixed());
            cursor.advance();
        }
        let mut sorted = Self::new(path);
        for (key, fixed) in names {
            sorted.put(&replaced(&key, 0, b'/'), &fixed)?;
        }
        Ok(sorted)
    }
}

fn replaced(bytes: &[u8], from: u8, to: u8) -> Vec<u8> {
    bytes.iter().map(|&byte| if byte == from { to } else { byte }).collect()
}

impl List {
    /// This many names in this range of a file.
    pub fn of(file: File, bytes: std::ops::Range<u64>, names: usize) -> Self {
        Self { content: Content::File(Arc::new(file), bytes), names }
    }

    pub fn len(&self) -> usize {
        self.names
    }

    /// A cursor at the first name.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.bytes())
    }

    pub fn bytes(&self) -> Bytes {
        let rest = match &self.content {
            Content::Memory(bytes) => 0..bytes.len() as u64,
            Content::File(_, range) => range.clone(),
        };
        Bytes { content: self.content.clone(), rest }
    }
}

/// The unread part of a list.
pub(super) struct Bytes {
    content: Content,
    rest: std::ops::Range<u64>,
}

impl Read for Bytes {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let left = self.rest.end - self.rest.start;
        let room = target.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = match &self.content {
            Content::Memory(bytes) => {
                let start = self.rest.start as usize;
                target[..room].copy_from_slice(&bytes[start..start + room]);
                room
            }
            Content::File(file, _) => file.read_at(&mut target[..room], self.rest.start)?,
        };
        self.rest.start += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::super::cursor::Lookup;
    use super::super::placed::Kind;
    use super::*;
    use crate::base::digest::ContentDigest;
    use crate::image::layer::KnownDigests as _;
    use crate::store::snapshot::Owner;

    pub fn file(path: &str, content: u8) -> Placed<'_> {
        let digest = ContentDigest::from_bytes([content; 32]);
        let (kind, owner) = (Kind::File, Owner::default());
        Placed { path: path.as_bytes(), kind, mode: 0o644, owner, mtime: 7, size: 9, digest }
    }

    pub fn listed(folder: &Path, files: &[Placed<'_>]) -> (List, bool) {
        let mut listing = Listing::new(folder.join("list"));
        files.iter().for_each(|file| listing.push(file).unwrap());
        listing.finish().unwrap()
    }

    fn paths(list: &List) -> Vec<String> {
        let mut cursor = list.cursor();
        let mut paths = Vec::new();
        while let Some(placed) = cursor.here() {
            paths.push(String::from_utf8(placed.path.to_vec()).unwrap());
            cursor.advance();
        }
        paths
    }

    #[test]
    fn the_later_of_two_files_at_one_place_counts() {
        let folder = tempfile::tempdir().unwrap();
        let unknown = Placed { kind: Kind::Unknown, ..file("d/b", 0) };
        let files = [file("d/b", 1), file("d.x", 2), file("d/a", 3), file("d/a", 4), unknown];
        let (list, is_whole) = listed(folder.path(), &files);
        assert!(!is_whole);
        assert_eq!((list.len(), paths(&list)), (3, ["d/a", "d/b", "d.x"].map(str::to_owned).to_vec()));
        let lookup = Lookup::new(&list);
        assert_eq!(lookup.get(Path::new("d/a"), |placed| *placed == file("d/a", 4)), Some(true));
        assert_eq!(lookup.content_digest(Path::new("d.x")), Some(ContentDigest::from_bytes([2; 32])));
        assert_eq!(lookup.content_digest(Path::new("d/b")), None, "nobody knows what is there now");
        assert!(lookup.get(Path::new("d"), |_| ()).is_none());
    }

    #[test]
    fn long_lists_are_found_through_whatever_is_asked_first() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..5000).map(|number| format!("folder{}/{number:05}", number / 1000)).collect();
        let files: Vec<Placed<'_>> = names.iter().map(|name| file(name, name.as_bytes()[12])).collect();
        let (list, is_whole) = listed(folder.path(), &files);
        assert!(is_whole && folder.path().join("list").metadata().unwrap().len() > PIECE as u64);
        assert_eq!((list.len(), paths(&list)), (5000, names.clone()));
        let lookup = Lookup::new(&list);
        for place in (0..5000).chain([17, 4000, 16, 4999, 0]) {
            let found = lookup.get(Path::new(&names[place]), |placed| *placed == files[place]);
            assert_eq!(found, Some(true), "{place}");
        }
        assert!(lookup.get(Path::new("folder4/04999x"), |_| ()).is_none());
    }
}
