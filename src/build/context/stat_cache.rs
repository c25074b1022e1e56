//! Remembers a context between builds: the digests of files whose content cannot have changed since.
//!
//! One file per context directory, rewritten and renamed into place:
//!
//! ```text
//! "rbuild stat cache 2\n"   filesystem: kind, id, device (u64 each), boot (16 bytes, zero if the id is sufficient)
//! per folder: path length (u16), path, device (u64), seconds (i64), number of files (u32)
//!   per file: length of its packed entry (u16), the entry (see `packed`), digest (32 bytes)
//! BLAKE3 of everything above
//! ```
//!
//! Numbers are little-endian; folders and files are in the order of the context, so that it is read in one pass
//! alongside the scan.

use std::fs;
use std::io::{self, Read, Write as _};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::folder::{Folder, Found};
use super::folders::Folders;
use super::order::compare;
use super::packed::{Child, Common, Rest};
use super::{Identity, Timestamp};
use crate::base::digest::ContentDigest;
use crate::base::io_error::{AtPath, IoError};

const MAGIC: &[u8] = b"rbuild stat cache 2\n";
/// How many bytes are read or written at a time.
const PIECE: usize = 64 << 10;
/// The length of the checksum at the end, and of a digest.
const SUM: u64 = 32;
const DIGEST: usize = 32;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Distinguishes a mounted filesystem from another one with the same device number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filesystem {
    kind: u64,
    id: u64,
    pub(super) device: u64,
    boot: [u8; 16],
}

impl Filesystem {
    pub(super) fn of(directory: BorrowedFd<'_>) -> io::Result<Self> {
        let device = rustix::fs::fstat(directory)?.st_dev;
        let status = rustix::fs::fstatvfs(directory)?;
        let kind = rustix::fs::fstatfs(directory)?.f_type as u64;
        let id = status.f_fsid;
        // Without its own ID (or with one made from its device number) it cannot be recognized after a reboot.
        let boot = if id == 0 || id == device { boot_id()? } else { [0; 16] };
        Ok(Self { kind, id, device, boot })
    }

    /// How much older than the time of reading a file's ctime must be, so that no later change can have the same ctime.
    /// Local filesystems use this machine's clock, which ticks at least every 10 ms; others have their own clocks.
    fn granularity(&self) -> Timestamp {
        const LOCAL: [u64; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1, 0xf2f5_2010];
        if LOCAL.contains(&self.kind) {
            Timestamp { seconds: 0, nanoseconds: 100_000_000 }
        } else {
            Timestamp { seconds: 10, nanoseconds: 0 }
        }
    }

    /// True if the ctime distinguishes content that is read at or after `reading` from any later content.
    pub(super) fn is_settled(&self, identity: &Identity, reading: Timestamp) -> bool {
        let granularity = self.granularity();
        let nanoseconds = identity.ctime.nanoseconds + granularity.nanoseconds;
        let settled = Timestamp {
            seconds: identity
                .ctime
                .seconds
                .saturating_add(granularity.seconds + i64::from(nanoseconds / 1_000_000_000)),
            nanoseconds: nanoseconds % 1_000_000_000,
        };
        identity.device == self.device && settled < reading
    }

    fn write(&self, out: &mut Vec<u8>) {
        for number in [self.kind, self.id, self.device] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.boot);
    }
}

fn boot_id() -> io::Result<[u8; 16]> {
    let text = fs::read_to_string(BOOT_ID)?;
    let mut id = [0; 16];
    for (target, byte) in id.iter_mut().zip(blake3::hash(text.as_bytes()).as_bytes()) {
        *target = *byte;
    }
    Ok(id)
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: since.as_secs() as i64, nanoseconds: since.subsec_nanos() }
}

/// Passes on the remembered digests of unchanged files, with their numbers. Ignores a cache that is missing, damaged or
/// of another filesystem.
pub(super) fn load(
    path: &Path,
    filesystem: &Filesystem,
    folders: &Folders,
    found: impl FnMut(u32, ContentDigest),
) -> Result<(), IoError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at("open", path),
    };
    // Read twice, in pieces: for half a million files it is 30 MB.
    let Some(length) = intact(&file).at("read", path)? else { return Ok(()) };
    io::Seek::rewind(&mut &file).at("read", path)?;
    let mut reader = Reader { rest: file.take(length), piece: Vec::new(), at: 0 };
    let mut header = MAGIC.to_vec();
    filesystem.write(&mut header);
    if length < header.len() as u64 || reader.bytes(header.len()).at("read", path)? != header {
        return Ok(());
    }
    match_up(&mut reader, folders, found).at("read", path)
}

/// Reads on, in step with the folders.
fn match_up<R: Read>(
    reader: &mut Reader<R>,
    folders: &Folders,
    mut found: impl FnMut(u32, ContentDigest),
) -> io::Result<()> {
    let mut rest = folders.iter().peekable();
    while reader.is_more()? {
        let length = u16::from_le_bytes(reader.array()?);
        let path = reader.bytes(length.into())?;
        while rest.next_if(|folder| compare(&folder.path, path).is_lt()).is_some() {}
        let folder = rest.next_if(|folder| *folder.path == *path);
        let common =
            Common { device: u64::from_le_bytes(reader.array()?), seconds: i64::from_le_bytes(reader.array()?) };
        let mut children = folder.into_iter().flat_map(Folder::children).peekable();
        for _ in 0..u32::from_le_bytes(reader.array()?) {
            let length = u16::from_le_bytes(reader.array()?);
            let packed = reader.bytes(usize::from(length) + DIGEST)?;
            let Some((packed, digest)) = packed.split_last_chunk::<DIGEST>() else { continue };
            let Some(was) = Rest(packed).child(common) else { continue };
            while children.next_if(|now| now.child.name < was.name).is_some() {}
            let now = children.next_if(|now| now.child.name == was.name);
            if let Some(Found { child, file: Some(file) }) = now
                && child.entry.identity == was.entry.identity
            {
                found(file, ContentDigest::from_bytes(*digest));
            }
        }
    }
    Ok(())
}

/// How many bytes precede the checksum at the end, if it is correct.
fn intact(file: &fs::File) -> io::Result<Option<u64>> {
    let Some(length) = file.metadata()?.len().checked_sub(SUM) else { return Ok(None) };
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut content = file.take(length);
    loop {
        match content.read(&mut piece)? {
            0 => break,
            count => drop(hasher.update(&piece[..count])),
        }
    }
    let mut sum = [0; SUM as usize];
    let is_there = content.into_inner().read_exact(&mut sum).is_ok();
    Ok((is_there && *hasher.finalize().as_bytes() == sum).then_some(length))
}

/// Writes the cache; `digest` returns those of the files, `None` if one must not be remembered.
pub(super) fn save(
    path: &Path,
    filesystem: &Filesystem,
    folders: &Folders,
    digest: impl Fn(u32) -> Option<ContentDigest>,
) -> Result<(), IoError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).at("create", folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).at("create a file in", folder)?;
    let mut bytes = MAGIC.to_vec();
    filesystem.write(&mut bytes);
    let mut hasher = blake3::Hasher::new();
    for folder in folders.iter() {
        let known = || folder.children().filter_map(|found| Some((found.child, digest(found.file?)?)));
        // Counted first, because the written entries are not kept in memory.
        let count = known().count();
        if count == 0 || !write_folder(folder, count as u32, &mut bytes) {
            continue;
        }
        for (child, digest) in known().take(count) {
            write_file(&child, folder.common, &digest, &mut bytes);
            if bytes.len() > PIECE {
                hasher.update(&bytes);
                file.write_all(&bytes).at("write", path)?;
                bytes.clear();
            }
        }
    }
    let sum = hasher.update(&bytes).finalize();
    bytes.extend_from_slice(sum.as_bytes());
    file.write_all(&bytes).at("write", path)?;
    file.persist(path).map_err(|error| error.error).at("replace", path)?;
    Ok(())
}

/// False if the path is too long.
fn write_folder(folder: &Folder, files: u32, out: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(folder.path.len()) else { return false };
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&folder.path);
    out.extend_from_slice(&folder.common.device.to_le_bytes());
    out.extend_from_slice(&folder.common.seconds.to_le_bytes());
    out.extend_from_slice(&files.to_le_bytes());
    true
}

fn write_file(child: &Child<'_>, common: Common, digest: &ContentDigest, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    child.pack(common, out);
    // A name has at most 255 bytes.
    let length = (out.len() - start - 2) as u16;
    out[start..start + 2].copy_from_slice(&length.to_le_bytes());
    out.extend_from_slice(digest.as_bytes());
}

/// Reads a cache that was found intact.
struct Reader<R> {
    rest: R,
    /// The bytes read; those before `at` are used up.
    piece: Vec<u8>,
    at: usize,
}

impl<R: Read> Reader<R> {
    fn is_more(&mut self) -> io::Result<bool> {
        self.fill(1)?;
        Ok(self.at < self.piece.len())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn bytes(&mut self, count: usize) -> io::Result<&[u8]> {
        self.fill(count)?;
        let bytes = self.piece.get(self.at..self.at + count).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.at += count;
        Ok(bytes)
    }

    /// Reads until there are `count` bytes, or no more.
    fn fill(&mut self, count: usize) -> io::Result<()> {
        if self.piece.len() - self.at < count {
            self.piece.drain(..self.at);
            self.at = 0;
            (&mut self.rest).take((PIECE + count) as u64).read_to_end(&mut self.piece)?;
        }
        Ok(())
    }
}
