//! What was seen of a directory, packed until all of them are in order: entries are twice as large, and there are as many
//! of these as of them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Entry, Identity, Timestamp};
use crate::layer::FileKind;

const EXCLUDED: u8 = 1;
const LISTED: u8 = 2;
const LINK: u8 = 4;

/// The children of a directory, in byte order of their names.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Of the directory.
    path: Vec<u8>,
    children: Vec<u8>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Child {
    pub entry: Entry,
    /// It is there only for what is in it.
    pub excluded: bool,
    /// A directory that was read: its place among the listings.
    pub listing: Option<u32>,
}

impl Listing {
    pub fn of(path: &[u8]) -> Self {
        Self { path: path.to_vec(), children: Vec::new() }
    }

    pub fn push(&mut self, child: &Child) {
        let entry = &child.entry;
        let out = &mut self.children;
        let mut flags = if child.excluded { EXCLUDED } else { 0 };
        flags |= if child.listing.is_some() { LISTED } else { 0 };
        flags |= if entry.link_target.is_some() { LINK } else { 0 };
        let (kind, device) = match entry.kind {
            FileKind::Regular => (0, (0, 0)),
            FileKind::Directory => (1, (0, 0)),
            FileKind::Symlink => (2, (0, 0)),
            FileKind::Fifo => (3, (0, 0)),
            FileKind::Socket => (4, (0, 0)),
            FileKind::CharDevice { major, minor } => (5, (major, minor)),
            FileKind::BlockDevice { major, minor } => (6, (major, minor)),
        };
        out.extend_from_slice(&[flags, kind]);
        put(out, entry.path.file_name().unwrap_or_default());
        out.extend_from_slice(&(entry.mode as u16).to_le_bytes());
        out.extend_from_slice(&entry.links.to_le_bytes());
        for number in [entry.identity.device, entry.identity.inode, entry.identity.size] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for time in [entry.identity.mtime, entry.identity.ctime] {
            out.extend_from_slice(&time.seconds.to_le_bytes());
            out.extend_from_slice(&time.nanoseconds.to_le_bytes());
        }
        if kind >= 5 {
            out.extend_from_slice(&device.0.to_le_bytes());
            out.extend_from_slice(&device.1.to_le_bytes());
        }
        if let Some(listing) = child.listing {
            out.extend_from_slice(&listing.to_le_bytes());
        }
        if let Some(target) = &entry.link_target {
            put(out, target.as_os_str());
        }
    }

    /// Ends the listing: it has no more room than it needs.
    pub fn end(&mut self) {
        self.children.shrink_to_fit();
    }

    pub fn children(&self) -> impl Iterator<Item = Child> {
        let mut rest = Rest(&self.children);
        std::iter::from_fn(move || rest.child(&self.path))
    }
}

/// The kernel's names and targets fit.
fn put(out: &mut Vec<u8>, text: &OsStr) {
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What is left of the packed children.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn child(&mut self, directory: &[u8]) -> Option<Child> {
        let [flags, kind] = self.array()?;
        let path = join(directory, self.text()?);
        let mode = u32::from(u16::from_le_bytes(self.array()?));
        let links = self.number()?;
        let mut long = || Some(u64::from_le_bytes(self.array()?));
        let (device, inode, size) = (long()?, long()?, long()?);
        let identity = Identity { device, inode, size, mtime: self.time()?, ctime: self.time()? };
        let kind = match kind {
            0 => FileKind::Regular,
            1 => FileKind::Directory,
            2 => FileKind::Symlink,
            3 => FileKind::Fifo,
            4 => FileKind::Socket,
            5 => FileKind::CharDevice { major: self.number()?, minor: self.number()? },
            _ => FileKind::BlockDevice { major: self.number()?, minor: self.number()? },
        };
        let listing = if flags & LISTED != 0 { Some(self.number()?) } else { None };
        let link_target = match flags & LINK {
            0 => None,
            _ => Some(PathBuf::from(OsStr::from_bytes(self.text()?)).into()),
        };
        let entry = Entry { path, kind, mode, links, identity, link_target, index: 0 };
        Some(Child { entry, excluded: flags & EXCLUDED != 0, listing })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    fn time(&mut self) -> Option<Timestamp> {
        Some(Timestamp { seconds: i64::from_le_bytes(self.array()?), nanoseconds: self.number()? })
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_le_bytes(self.array()?);
        let (text, rest) = self.0.split_at_checked(usize::from(length))?;
        self.0 = rest;
        Some(text)
    }
}

fn join(directory: &[u8], name: &[u8]) -> Box<Path> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if !directory.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    Path::new(OsStr::from_bytes(&path)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_come_out_as_they_went_in() {
        let time = |seconds| Timestamp { seconds, nanoseconds: 999_999_999 };
        let child = |name: &str, kind, target: Option<&str>, listing: Option<u32>| Child {
            entry: Entry {
                path: Path::new("d/e").join(name).into(),
                kind,
                mode: 0o7777,
                links: u32::MAX,
                identity: Identity {
                    device: 1,
                    inode: u64::MAX,
                    size: 1 << 40,
                    mtime: time(-1),
                    ctime: time(i64::MAX),
                },
                link_target: target.map(|target| PathBuf::from(target).into()),
                index: 0,
            },
            excluded: listing.is_some(),
            listing,
        };
        let children = [
            child("a", FileKind::Regular, None, None),
            child("b", FileKind::Symlink, Some("../x"), None),
            child("c", FileKind::BlockDevice { major: 7, minor: 8 }, None, None),
            child("d", FileKind::Directory, None, Some(9)),
        ];
        let mut listing = Listing::of(b"d/e");
        children.iter().for_each(|child| listing.push(child));
        listing.end();
        assert_eq!(listing.children().collect::<Vec<_>>(), children);
    }
}
