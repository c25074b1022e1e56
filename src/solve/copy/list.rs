//! What a copy put into its layer, packed: where a map of paths takes hundreds of bytes for each, this takes a hundred.
//!
//! ```text
//! per name: path length (u16, little-endian), path, kind (u8), mode (u16), uid, gid (u32), mtime (i64), digest (32 bytes)
//! ```

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{self, AtomicUsize};

use crate::context::compare_paths;
use crate::digest::ContentDigest;
use crate::layer::KnownDigests;
use crate::snapshot::Owner;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// One of the names of a file that has several in what was copied.
    LinkedFile,
    Folder,
    Symlink,
    /// A device or fifo.
    Node,
    /// A file of which nobody took the digest.
    Unknown,
}

const KINDS: [Kind; 6] = [Kind::File, Kind::LinkedFile, Kind::Folder, Kind::Symlink, Kind::Node, Kind::Unknown];

/// One name, as it was put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed<'a> {
    pub path: &'a [u8],
    pub kind: Kind,
    pub mode: u32,
    pub owner: Owner,
    pub mtime: i64,
    /// Of a file's content, a link's target, or what a node is.
    pub digest: ContentDigest,
}

/// The names, each once, a folder before what is in it, in byte order.
#[derive(Debug, Default)]
pub(super) struct List {
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<u32>,
    /// What is asked for next is likely to follow what was asked for last.
    next: AtomicUsize,
}

/// A list that is being made. Of what is put to one place twice, the later counts.
#[derive(Debug, Default)]
pub(super) struct Listing {
    list: List,
    is_unordered: bool,
    is_cut: bool,
}

impl Listing {
    pub fn push(&mut self, placed: &Placed<'_>) {
        let list = &mut self.list;
        let (Ok(start), Ok(length)) = (u32::try_from(list.bytes.len()), u16::try_from(placed.path.len())) else {
            self.is_cut = true;
            return;
        };
        let last = list.starts.last().map(|&start| list.path_at(start));
        self.is_unordered |= last.is_some_and(|last| compare_paths(last, placed.path) != Ordering::Less);
        list.starts.push(start);
        list.bytes.extend_from_slice(&length.to_le_bytes());
        list.bytes.extend_from_slice(placed.path);
        list.bytes.push(placed.kind as u8);
        list.bytes.extend_from_slice(&(placed.mode as u16).to_le_bytes());
        list.bytes.extend_from_slice(&placed.owner.uid.to_le_bytes());
        list.bytes.extend_from_slice(&placed.owner.gid.to_le_bytes());
        list.bytes.extend_from_slice(&placed.mtime.to_le_bytes());
        list.bytes.extend_from_slice(placed.digest.as_bytes());
    }

    /// The list, and whether it has all that was pushed, as it was pushed.
    pub fn finish(self) -> (List, bool) {
        let Self { mut list, is_unordered, is_cut } = self;
        if is_unordered {
            let mut starts = std::mem::take(&mut list.starts);
            // The latest of each path first.
            starts
                .sort_by(|left, right| compare_paths(list.path_at(*left), list.path_at(*right)).then(right.cmp(left)));
            starts.dedup_by(|later, first| list.path_at(*later) == list.path_at(*first));
            list.starts = starts;
        }
        (list, !is_unordered && !is_cut)
    }
}

impl List {
    /// Reads what [`List::records`] gave; nothing when it is anything else.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let mut list = Self { bytes, ..Self::default() };
        let mut start = 0;
        while start < list.bytes.len() {
            let placed = list.read(start)?;
            let last = list.starts.last().map(|&start| list.path_at(start));
            if last.is_some_and(|last| compare_paths(last, placed.path) != Ordering::Less) {
                return None;
            }
            let next = start + RECORD + placed.path.len();
            list.starts.push(u32::try_from(start).ok()?);
            start = next;
        }
        Some(list)
    }

    /// The bytes of each name.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.starts.iter().map(|&start| {
            let start = start as usize;
            &self.bytes[start..start + RECORD + self.path_at(start as u32).len()]
        })
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn at(&self, index: usize) -> Option<Placed<'_>> {
        self.read(*self.starts.get(index)? as usize)
    }

    pub fn get(&self, path: &Path) -> Option<Placed<'_>> {
        let path = path.as_os_str().as_bytes();
        let next = self.next.load(atomic::Ordering::Relaxed);
        let index = match self.starts.get(next) {
            Some(&start) if self.path_at(start) == path => next,
            _ => self.starts.binary_search_by(|&start| compare_paths(self.path_at(start), path)).ok()?,
        };
        self.next.store(index + 1, atomic::Ordering::Relaxed);
        self.at(index)
    }

    fn path_at(&self, start: u32) -> &[u8] {
        let start = start as usize;
        let length = usize::from(u16::from_le_bytes([self.bytes[start], self.bytes[start + 1]]));
        &self.bytes[start + 2..start + 2 + length]
    }

    fn read(&self, start: usize) -> Option<Placed<'_>> {
        let (length, rest) = self.bytes.get(start..)?.split_first_chunk::<2>()?;
        let (path, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (&[kind], rest) = rest.split_first_chunk::<1>()?;
        let (mode, rest) = rest.split_first_chunk::<2>()?;
        let (uid, rest) = rest.split_first_chunk::<4>()?;
        let (gid, rest) = rest.split_first_chunk::<4>()?;
        let (mtime, rest) = rest.split_first_chunk::<8>()?;
        let (digest, _) = rest.split_first_chunk::<32>()?;
        Some(Placed {
            path,
            kind: *KINDS.get(usize::from(kind))?,
            mode: u32::from(u16::from_le_bytes(*mode)),
            owner: Owner { uid: u32::from_le_bytes(*uid), gid: u32::from_le_bytes(*gid) },
            mtime: i64::from_le_bytes(*mtime),
            digest: ContentDigest::from_bytes(*digest),
        })
    }
}

/// Bytes of a record without its path.
const RECORD: usize = 2 + 1 + 2 + 4 + 4 + 8 + 32;

impl KnownDigests for List {
    fn content_digest(&self, path: &Path) -> Option<ContentDigest> {
        let placed = self.get(path)?;
        matches!(placed.kind, Kind::File | Kind::LinkedFile).then_some(placed.digest)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn file(path: &str, content: u8) -> Placed<'_> {
        let digest = ContentDigest::from_bytes([content; 32]);
        Placed { path: path.as_bytes(), kind: Kind::File, mode: 0o644, owner: Owner::default(), mtime: 7, digest }
    }

    fn listed(files: &[Placed<'_>]) -> (List, bool) {
        let mut listing = Listing::default();
        files.iter().for_each(|file| listing.push(file));
        listing.finish()
    }

    #[test]
    fn the_later_of_two_files_at_one_place_counts() {
        let unknown = Placed { kind: Kind::Unknown, ..file("d/b", 0) };
        let (list, is_whole) = listed(&[file("d/b", 1), file("d.x", 2), file("d/a", 3), file("d/a", 4), unknown]);
        assert!(!is_whole);
        let paths: Vec<&[u8]> = (0..list.len()).map(|index| list.at(index).unwrap().path).collect();
        assert_eq!(paths, [b"d/a", b"d/b", b"d.x"], "what is in a folder follows it");
        assert_eq!(list.get(Path::new("d/a")), Some(file("d/a", 4)));
        assert_eq!(list.content_digest(Path::new("d.x")), Some(ContentDigest::from_bytes([2; 32])));
        assert_eq!(list.content_digest(Path::new("d/b")), None, "nobody knows what is there now");
        assert_eq!(list.get(Path::new("d")), None);
    }

    #[test]
    fn a_list_reads_back_and_a_cut_one_does_not() {
        let (list, is_whole) = listed(&[file("a", 1), file("d/a", 2), file("d/b", 3)]);
        assert!(is_whole);
        let bytes: Vec<u8> = list.records().flatten().copied().collect();
        let again = List::parse(bytes.clone()).unwrap();
        assert_eq!((0..4).map(|at| again.at(at)).collect::<Vec<_>>(), (0..4).map(|at| list.at(at)).collect::<Vec<_>>());
        assert!(List::parse(bytes[..bytes.len() - 1].to_vec()).is_none());
        let record = bytes.len() / 3;
        assert!(List::parse([&bytes[record..], &bytes[..record]].concat()).is_none(), "in another order");
    }
}
