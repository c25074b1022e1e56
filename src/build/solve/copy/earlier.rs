//! Reuses the last result of the same copy: unchanged files come from that layer instead of being written again.
//!
//! For every copy from a context, `copies/<hex>` in the store lists what it put into its layer:
//!
//! ```text
//! the list (see `list`)
//! "rbuild copy 4\n", number of names (u32, little-endian), diffID (32 bytes), digest of what is below (32 bytes),
//!   whether the list is complete (u8)
//! BLAKE3 of everything above
//! ```
//!
//! If little differs, the new layer is stacked on that layer (see `stacked`); otherwise its files are links to the old
//! ones. A file is linked only to the same path of a layer that the same instruction made: in one stack of layers the
//! two never appear under different names, so nothing takes them for hard links of the image.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::digest::{ContentDigest, DiffId, FieldHasher};
use crate::base::foreign::{Folder, LastFolder, Tree};
use crate::base::hex;
use crate::base::io_error::AtPath;
use crate::language::plan::{CopySource, CopyStep, TreeSource};
use crate::store::snapshot::{Attributes, Draft, SnapshotError};
use crate::store::{Store, StoreError};

use super::super::error::StepError;
use super::super::key;
use super::super::settings::Solver;
use super::cursor::Lookup;
use super::list::List;
use super::placed::Kind;

const MAGIC: &[u8] = b"rbuild copy 4\n";
/// The length of the part after the list, and of the checksum after that.
const END: usize = MAGIC.len() + 4 + 32 + 32 + 1;
const SUM: usize = 32;
/// How many bytes are read and written at a time.
const PIECE: usize = 64 << 10;
/// With fewer files, a list costs more than it saves.
const MIN_FILES: usize = 64;
/// ext4 allows a file 65,000 names.
const MOST_LINKS: u64 = 60_000;

/// The layer that the copy made before, which still exists, in one folder.
pub(super) struct Earlier {
    pub diff_id: DiffId,
    pub root: PathBuf,
    pub list: List,
    pub is_whole: bool,
    pub below: [u8; 32],
    found: Lookup,
    /// The last folder that was opened in the layer.
    folders: Option<LastFolder>,
}

/// What a copy put into its layer.
#[derive(Debug)]
pub(super) struct Copied {
    pub list: List,
    /// The list is complete.
    pub is_whole: bool,
    /// What it depends on besides the files: [`LayerRequest::below`](super::super::layers::LayerRequest::below).
    pub below: [u8; 32],
}

/// The name of the list of what `step` copies: a digest of its operation and its source folders, whatever their
/// content. `None` if a source is not a context.
pub(super) fn list_name(solver: &Solver<'_>, step: &CopyStep) -> Result<Option<String>, StepError> {
    let mut hasher = FieldHasher::new("copies-2");
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
    let name = hex::encode(&hasher.finish());
    Ok(Some(name))
}

impl Earlier {
    /// Reads the list; `None` if there is none, or if its layer is gone.
    pub fn load(store: &Store, name: &str) -> Result<Option<Self>, StoreError> {
        let Ok(file) = File::open(store.copies()?.join(name)) else { return Ok(None) };
        // Ignores a list that was damaged by a power loss.
        let Some((diff_id, made)) = parse(file) else { return Ok(None) };
        let folders = store.layer_folders(&diff_id)?.unwrap_or_default();
        let [root] = folders.as_slice() else { return Ok(None) };
        let Copied { list, is_whole, below } = made;
        let found = Lookup::new(&list);
        Ok(Some(Self { diff_id, root: root.clone(), list, is_whole, below, found, folders: None }))
    }

    /// Links the earlier file at `path` into the draft if content and attributes are the same. If the earlier one had
    /// several names, it is used only if this one `is_linked` too. Returns its size.
    pub fn link(
        &mut self,
        draft: &mut Draft,
        path: &Path,
        digest: &ContentDigest,
        (attributes, is_linked): (&Attributes, bool),
    ) -> Result<Option<u64>, SnapshotError> {
        let fits = |kind| kind == Kind::File || is_linked && kind == Kind::LinkedFile;
        let is_same = self.found.get(path, |file| fits(file.kind) && file.digest == *digest);
        if is_same != Some(true) || !attributes.xattrs.is_empty() {
            return Ok(None);
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        let Some(folder) = self.folder(parent) else { return Ok(None) };
        let Ok(Some(stat)) = folder.stat(name) else { return Ok(None) };
        let names: u64 = stat.st_nlink as _;
        let same = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile
            && stat.st_mode & 0o7777 == attributes.mode
            && (stat.st_uid, stat.st_gid) == (attributes.owner.uid, attributes.owner.gid)
            && Some(stat.st_mtime) == attributes.mtime
            && names < MOST_LINKS;
        let linked = same && draft.link_from(&folder, name, path)?;
        Ok(linked.then_some(stat.st_size as u64))
    }

    fn folder(&mut self, path: &Path) -> Option<Arc<Folder>> {
        if self.folders.is_none() {
            self.folders = Some(LastFolder::of(Tree::beneath(Folder::open(&self.root).ok()?)));
        }
        self.folders.as_ref()?.folder(path).ok()
    }
}

/// Writes the list of the layer's content, unless the layer is stored as a delta to another.
pub(super) fn save(store: &Store, name: &str, diff_id: &DiffId, made: &Copied) -> Result<(), StoreError> {
    if made.list.len() < MIN_FILES || store.layer_folders(diff_id)?.is_none_or(|folders| folders.len() != 1) {
        return Ok(());
    }
    let staging = store.staging()?;
    let new = staging.path().join("copy");
    let file = File::create(&new).at("create", &new)?;
    write(file, diff_id, made).at("write", &new)?;
    std::fs::rename(&new, store.copies()?.join(name)).at("rename", &new)?;
    Ok(())
}

fn write(file: File, diff_id: &DiffId, made: &Copied) -> io::Result<()> {
    let mut out = HashedFile { file, hasher: blake3::Hasher::new() };
    io::copy(&mut BufReader::with_capacity(PIECE, made.list.bytes()), &mut out)?;
    out.write_all(&end_of(made.list.len(), diff_id, made))?;
    let HashedFile { mut file, hasher } = out;
    file.write_all(hasher.finalize().as_bytes())
}

/// The part after the list.
fn end_of(names: usize, diff_id: &DiffId, made: &Copied) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    // Memory cannot hold more names than this.
    bytes.extend_from_slice(&(names as u32).to_le_bytes());
    bytes.extend_from_slice(diff_id.as_bytes());
    bytes.extend_from_slice(&made.below);
    bytes.push(u8::from(made.is_whole));
    bytes
}

struct HashedFile {
    file: File,
    hasher: blake3::Hasher,
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// `None` if the file is damaged.
fn parse(mut file: File) -> Option<(DiffId, Copied)> {
    let content = file.metadata().ok()?.len().checked_sub(SUM as u64)?;
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut BufReader::with_capacity(PIECE, (&file).take(content)), &mut hasher).ok()?;
    let mut sum = [0; SUM];
    file.read_exact(&mut sum).ok()?;
    if *hasher.finalize().as_bytes() != sum {
        return None;
    }
    let mut end = [0; END];
    let list = 0..content.checked_sub(END as u64)?;
    file.read_exact_at(&mut end, list.end).ok()?;
    let (names, rest) = end.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    let (diff_id, rest) = rest.split_first_chunk::<32>()?;
    let (below, is_whole) = rest.split_first_chunk::<32>()?;
    let list = List::of(file, list, u32::from_le_bytes(*names) as usize);
    Some((DiffId::from_bytes(*diff_id), Copied { list, is_whole: is_whole == [1], below: *below }))
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::{file, listed};
    use super::super::placed::Placed;
    use super::*;

    #[test]
    fn a_damaged_list_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let names: Vec<String> = (10..90).map(|number| format!("d/{number}")).collect();
        let files: Vec<Placed<'_>> = names.iter().zip(10..).map(|(name, content)| file(name, content)).collect();
        let diff_id = DiffId::from_bytes([7; 32]);
        let made = Copied { list: listed(folder.path(), &files).0, is_whole: true, below: [8; 32] };
        write(File::create(&path).unwrap(), &diff_id, &made).unwrap();
        let parsed = |bytes: &[u8]| {
            std::fs::write(folder.path().join("again"), bytes).unwrap();
            parse(File::open(folder.path().join("again")).unwrap())
        };
        let bytes = std::fs::read(&path).unwrap();
        let (again, read) = parsed(&bytes).unwrap();
        assert_eq!((again, read.is_whole, read.below, read.list.len()), (diff_id, true, [8; 32], 80));
        let found = Lookup::new(&read.list).get(Path::new("d/20"), |placed| *placed == file("d/20", 20));
        assert_eq!(found, Some(true));
        for place in [0, 20, 90, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(parsed(&damaged).is_none(), "{place}");
        }
        assert!(parsed(&bytes[..bytes.len() - 1]).is_none());
        let store = Store::open(&folder.path().join("store")).unwrap();
        std::fs::rename(&path, store.copies().unwrap().join("name")).unwrap();
        assert!(Earlier::load(&store, "name").unwrap().is_none(), "its layer is not in the store");
    }
}
