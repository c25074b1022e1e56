//! What the same copy made the last time: files that have not changed since are taken from that layer, not written again.
//!
//! For every copy from a context, `copies/<hex>` in the store lists what it put into the layer that it made:
//!
//! ```text
//! "rbuild copy 2\n", diffID (32 bytes), what is below the layer (32 bytes), whether the list is whole (u8)
//! the list, BLAKE3 of all that
//! ```
//!
//! The new layer stands on that layer when little differs (see `stacked`); else its files are links to the old ones.
//! A file is linked only to the same path of a layer that the same instruction made: in one stack of layers the two never
//! show under different names, so nothing takes them for hard links of the image.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use crate::digest::{ContentDigest, DiffId, FieldHasher};
use crate::io_error::AtPath;
use crate::layer::KnownDigests;
use crate::plan::{CopySource, CopyStep, TreeSource};
use crate::snapshot::{Attributes, Draft, SnapshotError};
use crate::store::{Store, StoreError};

use super::super::error::StepError;
use super::super::key;
use super::super::settings::Solver;
use super::list::{Kind, List};

const MAGIC: &[u8] = b"rbuild copy 2\n";
/// Below this number of files, a list costs more than it saves.
const FEWEST_FILES: usize = 64;
/// ext4 gives a file no more than 65,000 names.
const MOST_LINKS: u64 = 60_000;

/// The layer that the copy made before, which is still there, in one folder.
pub(super) struct Earlier {
    pub diff_id: DiffId,
    pub root: PathBuf,
    pub made: Copied,
    /// The folder that was looked into last.
    folder: Option<(PathBuf, OwnedFd)>,
}

/// What a copy put into its layer.
#[derive(Debug)]
pub(super) struct Copied {
    pub list: List,
    /// The list has all that it put there.
    pub is_whole: bool,
    /// What it depends on beside the files: [`LayerRequest::below`](super::super::layers::LayerRequest::below).
    pub below: [u8; 32],
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
        let Some((diff_id, made)) = parse(bytes) else { return Ok(None) };
        let folders = store.layer_folders(&diff_id)?.unwrap_or_default();
        let [root] = folders.as_slice() else { return Ok(None) };
        Ok(Some(Self { diff_id, root: root.clone(), made, folder: None }))
    }

    /// Links the earlier file at `path` into the draft when it is the same in content and attributes.
    pub fn link(
        &mut self,
        draft: &mut Draft,
        path: &Path,
        digest: &ContentDigest,
        attributes: &Attributes,
    ) -> Result<bool, SnapshotError> {
        let earlier = self.made.list.get(path);
        let is_same =
            earlier.is_some_and(|file| matches!(file.kind, Kind::File | Kind::LinkedFile) && file.digest == *digest);
        if !is_same || !attributes.xattrs.is_empty() {
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

/// Writes the list of what is in the layer now, unless that is kept as what differs from another.
pub(super) fn save(store: &Store, name: &str, diff_id: &DiffId, made: &Copied) -> Result<(), StoreError> {
    if made.list.len() < FEWEST_FILES || store.layer_folders(diff_id)?.is_none_or(|folders| folders.len() != 1) {
        return Ok(());
    }
    let staging = store.staging()?;
    let new = staging.path().join("copy");
    let file = File::create(&new).at("create", &new)?;
    write(file, diff_id, made).at("write", &new)?;
    std::fs::rename(&new, store.copies()?.join(name)).at("rename", &new)?;
    Ok(())
}

fn write(file: File, diff_id: &DiffId, made: &Copied) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, file);
    let mut hasher = blake3::Hasher::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(bytes);
        out.write_all(bytes)
    };
    put(MAGIC)?;
    put(diff_id.as_bytes())?;
    put(&made.below)?;
    put(&[u8::from(made.is_whole)])?;
    made.list.records().try_for_each(put)?;
    out.write_all(hasher.finalize().as_bytes())?;
    out.flush()
}

fn parse(mut bytes: Vec<u8>) -> Option<(DiffId, Copied)> {
    let (content, checksum) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(content).as_bytes() != checksum {
        return None;
    }
    let (diff_id, rest) = content.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
    let (below, rest) = rest.split_first_chunk::<32>()?;
    let (&[is_whole], rest) = rest.split_first_chunk::<1>()?;
    let (diff_id, below, start) = (DiffId::from_bytes(*diff_id), *below, content.len() - rest.len());
    bytes.truncate(bytes.len() - checksum.len());
    bytes.drain(..start);
    Some((diff_id, Copied { list: List::parse(bytes)?, is_whole: is_whole == 1, below }))
}

impl KnownDigests for Copied {
    fn content_digest(&self, path: &Path) -> Option<ContentDigest> {
        self.list.content_digest(path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::file;
    use super::super::list::{Listing, Placed};
    use super::*;

    #[test]
    fn a_damaged_list_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let mut listing = Listing::default();
        (10..90).for_each(|number| listing.push(&file(&format!("d/{number}"), number)));
        let diff_id = DiffId::from_bytes([7; 32]);
        let made = Copied { list: listing.finish().0, is_whole: true, below: [8; 32] };
        write(File::create(&path).unwrap(), &diff_id, &made).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let (again, read) = parse(bytes.clone()).unwrap();
        assert_eq!((again, read.is_whole, read.below, read.list.len()), (diff_id, true, [8; 32], 80));
        let placed: Option<Placed<'_>> = read.list.get(Path::new("d/20"));
        assert_eq!(placed, Some(file("d/20", 20)));
        for place in [0, 20, 90, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(parse(damaged).is_none(), "{place}");
        }
        assert!(parse(bytes[..bytes.len() - 1].to_vec()).is_none());
        let store = Store::open(&folder.path().join("store")).unwrap();
        std::fs::rename(&path, store.copies().unwrap().join("name")).unwrap();
        assert!(Earlier::load(&store, "name").unwrap().is_none(), "its layer is not in the store");
    }
}
