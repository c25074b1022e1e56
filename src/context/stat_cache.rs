//! What is remembered of a context between builds: the digests of files whose content cannot have changed since.
//!
//! One file per context directory, written anew and renamed into place:
//!
//! ```text
//! "rbuild stat cache 1\n"   filesystem: kind, id, device (u64 each), boot (16 bytes, zero where the id says enough)
//! per file: path length (u16), path, inode, size (u64), mtime, ctime (i64 and u32 each), digest (32 bytes)
//! BLAKE3 of all that
//! ```
//!
//! Numbers are little-endian; files stand in the order of the context's entries, so that reading it is one pass beside
//! the scan's.

use std::fs;
use std::io::{self, BufReader, Read, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::order::compare;
use super::{Entry, Identity, Timestamp};
use crate::digest::ContentDigest;
use crate::io_error::{AtPath, IoError};

const MAGIC: &[u8] = b"rbuild stat cache 1\n";
/// Bytes that are read or written at a time.
const PIECE: usize = 64 << 10;
/// Bytes of the sum at the end.
const SUM: u64 = 32;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What tells one mounted filesystem from another that has the same device number.
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
        // Without an ID of its own (or with one made of its device number) it cannot be known again after a reboot.
        let boot = if id == 0 || id == device { boot_id()? } else { [0; 16] };
        Ok(Self { kind, id, device, boot })
    }

    /// How much older than a reading a file's ctime has to be, so that no later change could have the same. Times of
    /// local filesystems come from this machine's clock, which ticks at least every 10 ms; others have clocks of their
    /// own.
    fn granularity(&self) -> Timestamp {
        const LOCAL: [u64; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1, 0xf2f5_2010];
        if LOCAL.contains(&self.kind) {
            Timestamp { seconds: 0, nanoseconds: 100_000_000 }
        } else {
            Timestamp { seconds: 10, nanoseconds: 0 }
        }
    }

    /// True when a content read at or after `reading` will be told from a later one by the file's ctime.
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

/// Gives the remembered digests of those of `entries` that are still the same files, with their places. A cache that is
/// missing, damaged or of another filesystem remembers nothing.
pub(super) fn load(
    path: &Path,
    filesystem: &Filesystem,
    entries: &[Entry],
    mut found: impl FnMut(usize, ContentDigest),
) -> Result<(), IoError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at("open", path),
    };
    // Read twice, a piece at a time: of half a million files it has 50 MB.
    let Some(length) = intact(&file).at("read", path)? else { return Ok(()) };
    io::Seek::rewind(&mut &file).at("read", path)?;
    let mut records = Reader { rest: BufReader::with_capacity(PIECE, file).take(length), path: Vec::new() };
    let mut header = MAGIC.to_vec();
    filesystem.write(&mut header);
    let mut begin = vec![0; header.len()];
    if length < header.len() as u64 || records.rest.read_exact(&mut begin).is_err() || begin != header {
        return Ok(());
    }
    let mut index = 0;
    while let Some(record) = records.next().at("read", path)? {
        while index < entries.len() && compare(entries[index].path.as_os_str().as_bytes(), record.path).is_lt() {
            index += 1;
        }
        let Some(entry) = entries.get(index) else { break };
        let same = entry.path.as_os_str().as_bytes() == record.path && entry.identity == record.identity(filesystem);
        if same && entry.kind == crate::layer::FileKind::Regular {
            found(index, record.digest);
        }
    }
    Ok(())
}

/// How many bytes stand before the sum at the end, if it is that of them.
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

/// Writes the cache; `digests` are those of `entries`, `None` where nothing may be remembered.
pub(super) fn save(
    path: &Path,
    filesystem: &Filesystem,
    entries: &[Entry],
    digest: impl Fn(usize) -> Option<ContentDigest>,
) -> Result<(), IoError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).at("create", folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).at("create a file in", folder)?;
    let mut bytes = MAGIC.to_vec();
    filesystem.write(&mut bytes);
    let mut hasher = blake3::Hasher::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(digest) = digest(index) {
            Record::write(entry, digest, &mut bytes);
        }
        if bytes.len() > PIECE {
            hasher.update(&bytes);
            file.write_all(&bytes).at("write", path)?;
            bytes.clear();
        }
    }
    let sum = hasher.update(&bytes).finalize();
    bytes.extend_from_slice(sum.as_bytes());
    file.write_all(&bytes).at("write", path)?;
    file.persist(path).map_err(|error| error.error).at("replace", path)?;
    Ok(())
}

/// Reads records one by one.
struct Reader<R> {
    rest: R,
    path: Vec<u8>,
}

impl<R: Read> Reader<R> {
    fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        let mut length = [0; 2];
        match self.rest.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        self.path.resize(usize::from(u16::from_le_bytes(length)), 0);
        self.rest.read_exact(&mut self.path)?;
        let mut fixed = [0; FIXED];
        self.rest.read_exact(&mut fixed)?;
        Ok(Record::read(&self.path, &fixed))
    }
}

/// Bytes of a record after its path.
const FIXED: usize = 8 + 8 + 2 * (8 + 4) + 32;

struct Record<'a> {
    path: &'a [u8],
    inode: u64,
    size: u64,
    mtime: Timestamp,
    ctime: Timestamp,
    digest: ContentDigest,
}

impl<'a> Record<'a> {
    fn read(path: &'a [u8], mut fixed: &[u8]) -> Option<Self> {
        let bytes = &mut fixed;
        Some(Self {
            path,
            inode: u64::from_le_bytes(take(bytes)?),
            size: u64::from_le_bytes(take(bytes)?),
            mtime: read_time(bytes)?,
            ctime: read_time(bytes)?,
            digest: ContentDigest::from_bytes(take(bytes)?),
        })
    }

    fn write(entry: &Entry, digest: ContentDigest, out: &mut Vec<u8>) {
        let path = entry.path.as_os_str().as_bytes();
        let Ok(length) = u16::try_from(path.len()) else { return };
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(path);
        out.extend_from_slice(&entry.identity.inode.to_le_bytes());
        out.extend_from_slice(&entry.identity.size.to_le_bytes());
        for time in [entry.identity.mtime, entry.identity.ctime] {
            out.extend_from_slice(&time.seconds.to_le_bytes());
            out.extend_from_slice(&time.nanoseconds.to_le_bytes());
        }
        out.extend_from_slice(digest.as_bytes());
    }

    fn identity(&self, filesystem: &Filesystem) -> Identity {
        Identity { device: filesystem.device, inode: self.inode, size: self.size, mtime: self.mtime, ctime: self.ctime }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

fn read_time(bytes: &mut &[u8]) -> Option<Timestamp> {
    Some(Timestamp { seconds: i64::from_le_bytes(take(bytes)?), nanoseconds: u32::from_le_bytes(take(bytes)?) })
}
