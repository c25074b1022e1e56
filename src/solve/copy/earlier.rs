//! What the same copy made the last time: files that have not changed since are linked from that layer, not written again.
//!
//! For every copy from a context, `copies/<hex>` in the store lists the files of the layer that it made:
//!
//! ```text
//! "rbuild copy 1\n", diffID (32 bytes)
//! per file: path length (u16, little-endian), path, content digest (32 bytes)
//! BLAKE3 of all that
//! ```
//!
//! A file is linked only to the same path of a layer that the same instruction made: in one stack of layers the two never
//! show under different names, so nothing takes them for hard links of the image.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use crate::digest::{ContentDigest, DiffId, FieldHasher};
use crate::io_error::AtPath;
use crate::plan::{CopySource, CopyStep, TreeSource};
use crate::snapshot::{Attributes, Draft, SnapshotError};
use crate::store::{Store, StoreError};

use super::super::error::StepError;
use super::super::key;
use super::super::settings::Solver;

const MAGIC: &[u8] = b"rbuild copy 1\n";
/// Below this number of files, a list costs more than it saves.
const FEWEST_FILES: usize = 64;
/// ext4 gives a file no more than 65,000 names.
const MOST_LINKS: u64 = 60_000;

/// The layer that the copy made before, as far as it is still there.
pub(super) struct Earlier {
    root: PathBuf,
    files: HashMap<PathBuf, ContentDigest>,
    /// The folder that was looked into last.
    folder: Option<(PathBuf, OwnedFd)>,
}

/// The name of the list of what `step` copies: of what it does, and from which folders, whatever is in them.
/// Nothing when it takes from anything else than contexts.
pub(super) fn list_name(solver: &Solver<'_>, step: &CopyStep) -> Result<Option<String>, StepError> {
    let mut hasher = FieldHasher::new("copies-1");
    for source in &step.sources {
        let CopySource::Path { tree: TreeSource::Context(name), path, unpack: false } = source else {
            return Ok(None);
        };
        let context = solver.contexts.open(name.as_deref())?;
        let Some(folder) = context.root_path() else { return Ok(None) };
        hasher.field(folder.as_os_str().as_bytes()).field(path.as_bytes());
    }
    key::copy_operation(&mut hasher, step);
    key::strings(&mut hasher, &step.excludes);
    let name: String = hasher.finish().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(name))
}

impl Earlier {
    /// Reads the list; nothing when there is none, or its layer is gone.
    pub fn load(store: &Store, name: &str) -> Result<Option<Self>, StoreError> {
        let Ok(bytes) = std::fs::read(store.copies()?.join(name)) else { return Ok(None) };
        // A list that a power loss has damaged is no list.
        let Some((diff_id, files)) = parse(&bytes) else { return Ok(None) };
        let folder = store.layer_dir(&diff_id)?;
        Ok(folder.map(|root| Self { root, files, folder: None }))
    }

    /// Links the earlier file at `path` into the draft when it is the same in content and attributes.
    pub fn link(
        &mut self,
        draft: &mut Draft,
        path: &Path,
        digest: &ContentDigest,
        attributes: &Attributes,
    ) -> Result<bool, SnapshotError> {
        if self.files.get(path) != Some(digest) || !attributes.xattrs.is_empty() {
            return Ok(false);
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
        let Some(folder) = self.folder(parent) else { return Ok(false) };
        let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(false) };
        let names: u64 = stat.st_nlink as _;
        let same = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile
            && stat.st_mode & 0o7777 == attributes.mode
            && (stat.st_uid, stat.st_gid) == (attributes.owner.uid, attributes.owner.gid)
            && Some(stat.st_mtime) == attributes.mtime
            && names < MOST_LINKS;
        Ok(same && draft.link_from(folder, Path::new(name), path)?)
    }

    fn folder(&mut self, path: &Path) -> Option<&OwnedFd> {
        if self.folder.as_ref().is_none_or(|(known, _)| known != path) {
            let root = rustix::fs::open(&self.root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
            let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let folder = rustix::fs::openat2(root, name, flags, Mode::empty(), resolve).ok()?;
            self.folder = Some((path.to_owned(), folder));
        }
        self.folder.as_ref().map(|(_, folder)| folder)
    }
}

/// Writes the list of the files that are in the layer now.
pub(super) fn save(
    store: &Store,
    name: &str,
    diff_id: &DiffId,
    files: &HashMap<PathBuf, ContentDigest>,
) -> Result<(), StepError> {
    if files.len() < FEWEST_FILES {
        return Ok(());
    }
    let mut bytes = [MAGIC, diff_id.as_bytes()].concat();
    for (path, digest) in files {
        let path = path.as_os_str().as_bytes();
        let Ok(length) = u16::try_from(path.len()) else { continue };
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(path);
        bytes.extend_from_slice(digest.as_bytes());
    }
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    let staging = store.staging()?;
    let new = staging.path().join("copy");
    std::fs::write(&new, bytes).at("write", &new)?;
    std::fs::rename(&new, store.copies()?.join(name)).at("rename", &new)?;
    Ok(())
}

fn parse(bytes: &[u8]) -> Option<(DiffId, HashMap<PathBuf, ContentDigest>)> {
    let (content, checksum) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(content).as_bytes() != checksum {
        return None;
    }
    let (diff_id, mut rest) = content.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
    let mut files = HashMap::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (path, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (digest, after) = after.split_first_chunk::<32>()?;
        files.insert(PathBuf::from(OsStr::from_bytes(path)), ContentDigest::from_bytes(*digest));
        rest = after;
    }
    Some((DiffId::from_bytes(*diff_id), files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_list_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let files: HashMap<PathBuf, ContentDigest> =
            (0..100).map(|number| (format!("d/{number}").into(), ContentDigest::from_bytes([number; 32]))).collect();
        let diff_id = DiffId::from_bytes([7; 32]);
        save(&store, "name", &diff_id, &files).unwrap();
        let path = store.copies().unwrap().join("name");
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(parse(&bytes), Some((diff_id, files)));
        assert_eq!(parse(&bytes[..bytes.len() - 1]), None);
        for place in [0, 20, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert_eq!(parse(&damaged), None);
        }
        assert!(Earlier::load(&store, "name").unwrap().is_none(), "its layer is not in the store");
    }
}
