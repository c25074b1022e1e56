//! The result of `stat` for a file, in few bytes: a context may have a million files, which are all in memory at once.
//!
//! ```text
//! flags (u8): the kind in the lower three bits, and which optional fields follow; name; mode (u16, little-endian)
//! inode, size, mtime: seconds relative to those of the folder, nanoseconds
//! if flagged: number of links, device, ctime (seconds relative to those of the mtime, nanoseconds)
//! for a device its major and minor number, for a link its target
//! ```
//!
//! Numbers have variable length, seven bits to a byte; names and targets have a length prefix.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::{Entry, Identity, Timestamp};
use crate::image::layer::FileKind;

const KIND: u8 = 7;
const LINKS: u8 = 8;
const DEVICE: u8 = 16;
const CTIME: u8 = 32;

/// What most files of a folder have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Common {
    pub device: u64,
    pub seconds: i64,
}

/// One name of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Child<'a> {
    pub name: &'a [u8],
    pub entry: Entry<'a>,
}

impl Child<'_> {
    pub fn pack(&self, common: Common, out: &mut Vec<u8>) {
        let Entry { kind, mode, links, identity, link_target } = &self.entry;
        let (number, device) = match *kind {
            FileKind::Regular => (0, None),
            FileKind::Directory => (1, None),
            FileKind::Symlink => (2, None),
            FileKind::Fifo => (3, None),
            FileKind::Socket => (4, None),
            FileKind::CharDevice { major, minor } => (5, Some((major, minor))),
            FileKind::BlockDevice { major, minor } => (6, Some((major, minor))),
        };
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        let flags = number
            | flag(LINKS, *links != 1)
            | flag(DEVICE, identity.device != common.device)
            | flag(CTIME, identity.ctime != identity.mtime);
        out.push(flags);
        put_bytes(out, self.name);
        // The kernel has no more mode bits.
        out.extend_from_slice(&(*mode as u16).to_le_bytes());
        put(out, identity.inode);
        put(out, identity.size);
        put_signed(out, identity.mtime.seconds.wrapping_sub(common.seconds));
        put(out, identity.mtime.nanoseconds.into());
        if flags & LINKS != 0 {
            put(out, (*links).into());
        }
        if flags & DEVICE != 0 {
            put(out, identity.device);
        }
        if flags & CTIME != 0 {
            put_signed(out, identity.ctime.seconds.wrapping_sub(identity.mtime.seconds));
            put(out, identity.ctime.nanoseconds.into());
        }
        if let Some((major, minor)) = device {
            put(out, major.into());
            put(out, minor.into());
        }
        if let Some(target) = link_target {
            put_bytes(out, target.as_os_str().as_bytes());
        }
    }
}

/// The name of the first child in `bytes`.
pub(super) fn name(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = Rest(bytes.get(1..)?);
    rest.bytes()
}

/// The rest of packed bytes.
pub(super) struct Rest<'a>(pub &'a [u8]);

impl<'a> Rest<'a> {
    /// `None` at the end, or if the bytes are invalid.
    pub fn child(&mut self, common: Common) -> Option<Child<'a>> {
        let [flags] = self.array()?;
        let name = self.bytes()?;
        let mode = u32::from(u16::from_le_bytes(self.array()?));
        let (inode, size) = (self.number()?, self.number()?);
        let seconds = self.signed()?.wrapping_add(common.seconds);
        let mtime = Timestamp { seconds, nanoseconds: self.short()? };
        let links = if flags & LINKS != 0 { self.short()? } else { 1 };
        let device = if flags & DEVICE != 0 { self.number()? } else { common.device };
        let ctime = match flags & CTIME {
            0 => mtime,
            _ => Timestamp { seconds: self.signed()?.wrapping_add(mtime.seconds), nanoseconds: self.short()? },
        };
        let (kind, link_target) = match flags & KIND {
            0 => (FileKind::Regular, None),
            1 => (FileKind::Directory, None),
            2 => (FileKind::Symlink, Some(Path::new(OsStr::from_bytes(self.bytes()?)))),
            3 => (FileKind::Fifo, None),
            4 => (FileKind::Socket, None),
            5 => (FileKind::CharDevice { major: self.short()?, minor: self.short()? }, None),
            _ => (FileKind::BlockDevice { major: self.short()?, minor: self.short()? }, None),
        };
        let identity = Identity { device, inode, size, mtime, ctime };
        Some(Child { name, entry: Entry { kind, mode, links, identity, link_target } })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn short(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Small numbers of either sign are short.
fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn child(name: &str, kind: FileKind) -> Child<'_> {
        let time = Timestamp { seconds: 1_700_000_000, nanoseconds: 999_999_999 };
        let identity = Identity { device: 1, inode: 77, size: 3, mtime: time, ctime: time };
        let link_target = (kind == FileKind::Symlink).then_some(Path::new("../x"));
        Child { name: name.as_bytes(), entry: Entry { kind, mode: 0o644, links: 1, identity, link_target } }
    }

    #[test]
    fn children_come_out_as_they_went_in() {
        let time = |seconds| Timestamp { seconds, nanoseconds: 999_999_999 };
        let mut children: Vec<Child<'_>> = [
            FileKind::Regular,
            FileKind::Directory,
            FileKind::Symlink,
            FileKind::Fifo,
            FileKind::Socket,
            FileKind::CharDevice { major: 7, minor: u32::MAX },
            FileKind::BlockDevice { major: 7, minor: 8 },
        ]
        .map(|kind| child("name", kind))
        .into();
        for (mtime, ctime) in [(-1, i64::MAX), (i64::MIN, 0), (i64::MAX, i64::MIN), (0, 0)] {
            let identity =
                Identity { device: u64::MAX, inode: u64::MAX, size: 1 << 40, mtime: time(mtime), ctime: time(ctime) };
            let file = child("", FileKind::Regular);
            children.push(Child { entry: Entry { mode: 0o7777, links: u32::MAX, identity, ..file.entry }, ..file });
        }
        let common = Common { device: 1, seconds: 1_700_000_000 };
        let mut bytes = Vec::new();
        children.iter().for_each(|child| child.pack(common, &mut bytes));
        let mut rest = Rest(&bytes);
        let again: Vec<Child<'_>> = std::iter::from_fn(|| rest.child(common)).collect();
        assert_eq!(again, children);
        let mut usual = Vec::new();
        children[0].pack(common, &mut usual);
        assert_eq!(usual.len(), 1 + 5 + 2 + 1 + 1 + 1 + 5, "many of these are in memory");
    }
}
