//! One name that a copy put into its layer, and its record in a list, after its path:
//!
//! ```text
//! kind (u8), mode (u16), uid, gid (u32), mtime (i64), size (u64), digest (32 bytes); numbers are little-endian
//! ```

use crate::base::digest::ContentDigest;
use crate::image::layer::SaidFile;
use crate::store::snapshot::Owner;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// One of several copied names of the same file.
    LinkedFile,
    Folder,
    Symlink,
    /// A device or fifo.
    Node,
    /// A file whose digest was not computed.
    Unknown,
}

const KINDS: [Kind; 6] = [Kind::File, Kind::LinkedFile, Kind::Folder, Kind::Symlink, Kind::Node, Kind::Unknown];

/// One name, as it was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed<'a> {
    pub path: &'a [u8],
    pub kind: Kind,
    pub mode: u32,
    pub owner: Owner,
    pub mtime: i64,
    /// The size of a file in the layer.
    pub size: u64,
    /// Of a file's content, a link's target, or a node's type and number.
    pub digest: ContentDigest,
}

/// The length of a record after its path.
pub(super) const FIXED: usize = 1 + 2 + 4 + 4 + 8 + 8 + 32;

impl<'a> Placed<'a> {
    pub fn fixed(&self) -> [u8; FIXED] {
        let mut bytes = [0; FIXED];
        let mut rest = &mut bytes[..];
        let mut put = |part: &[u8]| {
            let (place, after) = std::mem::take(&mut rest).split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        };
        put(&[self.kind as u8]);
        // The kernel has no more mode bits.
        put(&(self.mode as u16).to_le_bytes());
        put(&self.owner.uid.to_le_bytes());
        put(&self.owner.gid.to_le_bytes());
        put(&self.mtime.to_le_bytes());
        put(&self.size.to_le_bytes());
        put(self.digest.as_bytes());
        bytes
    }

    pub fn of(path: &'a [u8], fixed: &[u8; FIXED]) -> Option<Self> {
        let (&[kind], rest) = fixed.split_first_chunk::<1>()?;
        let (mode, rest) = rest.split_first_chunk::<2>()?;
        let (uid, rest) = rest.split_first_chunk::<4>()?;
        let (gid, rest) = rest.split_first_chunk::<4>()?;
        let (mtime, rest) = rest.split_first_chunk::<8>()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            path,
            kind: *KINDS.get(usize::from(kind))?,
            mode: u32::from(u16::from_le_bytes(*mode)),
            owner: Owner { uid: u32::from_le_bytes(*uid), gid: u32::from_le_bytes(*gid) },
            mtime: i64::from_le_bytes(*mtime),
            size: u64::from_le_bytes(*size),
            digest: ContentDigest::from_bytes(rest.try_into().ok()?),
        })
    }
}

impl Placed<'_> {
    /// The file's header in a tar stream, without another look at the file: only if the filesystem cannot have changed
    /// its mode and its time.
    pub fn said(&self) -> Option<SaidFile> {
        let Self { kind, mode, owner, mtime, size, digest, .. } = *self;
        let is_sure = kind == Kind::File && mode & 0o7000 == 0 && (0..=i64::from(i32::MAX)).contains(&mtime);
        let said = SaidFile { mode, owner: (owner.uid, owner.gid), mtime, size, digest };
        Some(said).filter(|said| is_sure && said.size <= SaidFile::MOST_BYTES)
    }
}
