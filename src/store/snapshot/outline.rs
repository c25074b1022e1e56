//! A layer without its files' contents: its folders with their attributes, its links, and the names of everything else.
//! Steps that add files on top (`COPY`, `ADD`, `WORKDIR`) need no more of the layers below, except `/etc/passwd` and
//! `/etc/group`, which an outline has whole. So such a step does not need a layer whose outline is available.
//!
//! ```text
//! "rbuild outline 1\n", then compressed with zstd, for each folder, the root first and each before those in it:
//!   path, mode (u16), uid, gid (u32), mtime (i64), opaque (u8), number of names (u32)
//!   per name, in byte order: kind (u8), name, and the data of that kind
//! ```
//!
//! Paths and names have their length before them (u16). Numbers are little-endian.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::layer_folder::LayerFolder;
use super::{Entry, Owner};
use crate::base::io_error::{AtPath as _, IoError};
use crate::image::layer::FileKind;

const MAGIC: &[u8] = b"rbuild outline 1\n";
const LEVEL: i32 = 3;
/// The size limit; a larger layer has no outline.
const MOST_BYTES: usize = 16 << 20;
/// Files whose content steps need.
const WHOLE: [&str; 2] = ["etc/passwd", "etc/group"];
const LARGEST_WHOLE: u64 = 256 << 10;

const REGULAR: u8 = 0;
const DIRECTORY: u8 = 1;
const SYMLINK: u8 = 2;
const FIFO: u8 = 3;
const SOCKET: u8 = 4;
const CHAR_DEVICE: u8 = 5;
const BLOCK_DEVICE: u8 = 6;
const WHOLE_FILE: u8 = 7;

/// The outline of one layer.
#[derive(Debug)]
pub struct Outline {
    plain: Vec<u8>,
    folders: HashMap<Vec<u8>, Folder>,
}

#[derive(Debug, Clone)]
struct Folder {
    mode: u32,
    owner: Owner,
    mtime: i64,
    is_opaque: bool,
    /// The offset of its names in the plain bytes.
    names: Range<usize>,
}

/// One name of a folder.
struct Named<'a> {
    name: &'a [u8],
    kind: FileKind,
    /// A link's target, or a file's content.
    content: Option<&'a [u8]>,
}

/// The bytes of the outline of a layer that is unpacked in `folders`, the lowest first; `None` if it would be too
/// large.
pub fn outline_of(folders: &[PathBuf]) -> Result<Option<Vec<u8>>, IoError> {
    let layer = Unpacked(folders.iter().rev().map(|folder| LayerFolder::open(folder)).collect::<Result<_, _>>()?);
    let shown = folders.last().map_or(Path::new(""), PathBuf::as_path);
    let mut plain = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        // Another process removed the layer meanwhile.
        let Some(entry) = layer.entry(&path)? else { return Ok(None) };
        put_bytes(&mut plain, path.as_os_str().as_bytes());
        plain.extend_from_slice(&(entry.mode as u16).to_le_bytes());
        plain.extend_from_slice(&entry.owner.uid.to_le_bytes());
        plain.extend_from_slice(&entry.owner.gid.to_le_bytes());
        plain.extend_from_slice(&entry.mtime.to_le_bytes());
        plain.push(u8::from(layer.is_opaque(&path)?));
        let names = layer.names(&path)?;
        plain.extend_from_slice(&(names.len() as u32).to_le_bytes());
        let first = waiting.len();
        for name in names {
            let inside = path.join(&name);
            let Some(entry) = layer.entry(&inside)? else { return Ok(None) };
            put_name(&mut plain, &layer, &inside, &entry)?;
            if entry.is_dir() {
                waiting.push(inside);
            }
        }
        waiting[first..].reverse();
        if plain.len() > MOST_BYTES {
            return Ok(None);
        }
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend(zstd::bulk::compress(&plain, LEVEL).at("outline", shown)?);
    Ok(Some(bytes))
}

/// The folders of one layer, the topmost first. None of them hides a name of another.
struct Unpacked(Vec<LayerFolder>);

impl Unpacked {
    fn entry(&self, path: &Path) -> Result<Option<Entry>, IoError> {
        self.0.iter().find_map(|folder| folder.entry(path).transpose()).transpose()
    }

    /// The topmost folder that has the path.
    fn having(&self, path: &Path) -> Result<&LayerFolder, IoError> {
        for folder in &self.0 {
            if folder.entry(path)?.is_some() {
                return Ok(folder);
            }
        }
        Err(std::io::Error::from(std::io::ErrorKind::NotFound)).at("find", path)
    }

    fn is_opaque(&self, path: &Path) -> Result<bool, IoError> {
        self.having(path)?.is_opaque(path)
    }

    /// In byte order.
    fn names(&self, path: &Path) -> Result<BTreeSet<OsString>, IoError> {
        let mut names = BTreeSet::new();
        for folder in &self.0 {
            if folder.entry(path)?.is_some() {
                names.extend(folder.names(path)?);
            }
        }
        Ok(names)
    }
}

fn put_name(plain: &mut Vec<u8>, layer: &Unpacked, path: &Path, entry: &Entry) -> Result<(), IoError> {
    let is_whole = WHOLE.iter().any(|whole| Path::new(whole) == path) && entry.size <= LARGEST_WHOLE;
    let kind = match entry.kind {
        FileKind::Regular if is_whole => WHOLE_FILE,
        FileKind::Regular => REGULAR,
        FileKind::Directory => DIRECTORY,
        FileKind::Symlink => SYMLINK,
        FileKind::Fifo => FIFO,
        FileKind::Socket => SOCKET,
        FileKind::CharDevice { .. } => CHAR_DEVICE,
        FileKind::BlockDevice { .. } => BLOCK_DEVICE,
    };
    plain.push(kind);
    put_bytes(plain, path.file_name().unwrap_or_default().as_bytes());
    match entry.kind {
        FileKind::Symlink => put_bytes(plain, layer.having(path)?.read_link(path)?.as_os_str().as_bytes()),
        FileKind::CharDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
            plain.extend_from_slice(&major.to_le_bytes());
            plain.extend_from_slice(&minor.to_le_bytes());
        }
        FileKind::Regular if is_whole => {
            let mut content = Vec::new();
            layer.having(path)?.open_file(path)?.take(LARGEST_WHOLE).read_to_end(&mut content).at("read", path)?;
            plain.extend_from_slice(&(content.len() as u32).to_le_bytes());
            plain.extend_from_slice(&content);
        }
        _ => {}
    }
    Ok(())
}

/// Paths and names that the kernel accepts fit.
fn put_bytes(plain: &mut Vec<u8>, bytes: &[u8]) {
    plain.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    plain.extend_from_slice(bytes);
}

impl Outline {
    /// Parses an outline; `None` if the bytes are invalid.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let packed = bytes.strip_prefix(MAGIC)?;
        let mut plain = Vec::new();
        zstd::Decoder::new(packed).ok()?.take(2 * MOST_BYTES as u64 + 1).read_to_end(&mut plain).ok()?;
        if plain.len() > 2 * MOST_BYTES {
            return None;
        }
        let mut folders = HashMap::new();
        // The root, and the named folders.
        let mut promised = 1;
        let mut rest = Rest(&plain);
        while !rest.0.is_empty() {
            let path = rest.bytes()?;
            let mode = u32::from(u16::from_le_bytes(rest.array()?)) & 0o7777;
            let owner = Owner { uid: rest.number()?, gid: rest.number()? };
            let mtime = i64::from_le_bytes(rest.array()?);
            let is_opaque = rest.array::<1>()? == [1];
            let count = rest.number()?;
            let start = plain.len() - rest.0.len();
            for _ in 0..count {
                promised += usize::from(rest.named()?.kind == FileKind::Directory);
            }
            let names = start..plain.len() - rest.0.len();
            folders.insert(path.to_vec(), Folder { mode, owner, mtime, is_opaque, names });
        }
        let is_whole = folders.len() == promised && folders.contains_key(&Vec::new());
        is_whole.then_some(Self { plain, folders })
    }

    /// What is at the path, including a whiteout. For anything but a folder only the kind is known.
    pub(super) fn entry(&self, path: &Path) -> Option<Entry> {
        let nothing = Folder { mode: 0, owner: Owner::default(), mtime: 0, is_opaque: false, names: 0..0 };
        let (kind, facts) = match self.folder(path) {
            Some(folder) => (FileKind::Directory, folder),
            None => (self.named(path)?.kind, &nothing),
        };
        let Folder { mode, owner, mtime, .. } = *facts;
        Some(Entry { kind, mode, owner, mtime, size: 0, inode: (0, 0), names: 1, layer: 0 })
    }

    pub(super) fn is_opaque(&self, path: &Path) -> bool {
        self.folder(path).is_some_and(|folder| folder.is_opaque)
    }

    pub(super) fn names(&self, path: &Path) -> Vec<OsString> {
        self.all_named(path).map(|named| OsStr::from_bytes(named.name).to_owned()).collect()
    }

    pub(super) fn link(&self, path: &Path) -> Option<PathBuf> {
        let named = self.named(path).filter(|named| named.kind == FileKind::Symlink)?;
        Some(PathBuf::from(OsStr::from_bytes(named.content?)))
    }

    /// The content of a file that the outline has whole.
    pub(super) fn content(&self, path: &Path) -> Option<&[u8]> {
        self.named(path).filter(|named| named.kind == FileKind::Regular)?.content
    }

    fn folder(&self, path: &Path) -> Option<&Folder> {
        self.folders.get(path.as_os_str().as_bytes())
    }

    fn named(&self, path: &Path) -> Option<Named<'_>> {
        let name = path.file_name()?.as_bytes();
        self.all_named(path.parent()?).find(|named| named.name == name)
    }

    fn all_named(&self, folder: &Path) -> impl Iterator<Item = Named<'_>> {
        let names = self.folder(folder).map_or(0..0, |folder| folder.names.clone());
        let mut rest = Rest(&self.plain[names]);
        std::iter::from_fn(move || rest.named())
    }
}

/// The remaining bytes.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_le_bytes(self.array()?);
        self.take(length.into())
    }

    fn named(&mut self) -> Option<Named<'a>> {
        let [kind] = self.array()?;
        let name = self.bytes()?;
        let plain = |kind| Some((kind, None));
        let (kind, content) = match kind {
            REGULAR => plain(FileKind::Regular),
            DIRECTORY => plain(FileKind::Directory),
            FIFO => plain(FileKind::Fifo),
            SOCKET => plain(FileKind::Socket),
            SYMLINK => Some((FileKind::Symlink, Some(self.bytes()?))),
            CHAR_DEVICE => plain(FileKind::CharDevice { major: self.number()?, minor: self.number()? }),
            BLOCK_DEVICE => plain(FileKind::BlockDevice { major: self.number()?, minor: self.number()? }),
            WHOLE_FILE => {
                let length = self.number()?;
                Some((FileKind::Regular, Some(self.take(length as usize)?)))
            }
            _ => None,
        }?;
        Some(Named { name, kind, content })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Lower, View};
    use super::*;

    /// Everything that a view shows: paths, entries without what no outline has, links, and the user database.
    fn said(view: &View) -> Vec<String> {
        let mut lines = vec![format!("{:?}", view.lstat(Path::new("")).unwrap().map(|entry| entry.mtime))];
        super::super::export::walk(view, Path::new(""), &mut |path, entry| {
            let link = (entry.kind == FileKind::Symlink).then(|| view.read_link(path, entry).unwrap());
            let facts = entry.is_dir().then_some((entry.mode, entry.owner, entry.mtime));
            let whole = WHOLE.iter().any(|whole| Path::new(whole) == path);
            let content = whole.then(|| view.read_file(path, entry, 1 << 20).unwrap());
            lines.push(format!("{} {:?} {link:?} {facts:?} {content:?}", path.display(), entry.kind));
            Ok(())
        })
        .unwrap();
        lines
    }

    #[test]
    fn layers_and_their_outlines_say_the_same() {
        let (_root, paths) = super::super::tests::layers(&[
            &["etc/passwd", "etc/group", "etc/rc", "a/b/c/", "d/x", "e->a/b", "gone", "sub/f"],
            &["!d/", "d/new", "-gone", "etc/group", "sub->a"],
        ]);
        let outlined = |path: &PathBuf| {
            Lower::Outline(Arc::new(Outline::parse(&outline_of(std::slice::from_ref(path)).unwrap().unwrap()).unwrap()))
        };
        let folders: Vec<Lower> = paths.iter().cloned().map(Lower::Folder).collect();
        let outlines: Vec<Lower> = paths.iter().map(outlined).collect();
        let expected = said(&View::over(&folders).unwrap());
        assert!(expected.len() > 8, "{expected:?}");
        assert_eq!(said(&View::over(&outlines).unwrap()), expected);
        assert_eq!(said(&View::over(&[outlines[0].clone(), folders[1].clone()]).unwrap()), expected);
        let view = View::over(&outlines).unwrap();
        let resolve = |path: &str| view.resolve(Path::new(""), Path::new(path)).unwrap();
        assert_eq!((resolve("e/c"), resolve("sub/z")), ("a/b/c".into(), "a/z".into()));
        let other = view.lstat(Path::new("etc/rc")).unwrap().unwrap();
        assert!(view.read_file(Path::new("etc/rc"), &other, 9).is_err(), "no file's content is made up");
    }

    #[test]
    fn what_is_cut_or_changed_is_no_outline() {
        let (_root, paths) = super::super::tests::layers(&[&["a/b/", "c->d"]]);
        let bytes = outline_of(&paths).unwrap().unwrap();
        assert!(Outline::parse(&bytes).is_some());
        for length in 0..bytes.len() {
            assert!(Outline::parse(&bytes[..length]).is_none(), "{length}");
        }
        let plain = zstd::decode_all(&bytes[MAGIC.len()..]).unwrap();
        for length in 0..plain.len() {
            let packed = zstd::bulk::compress(&plain[..length], LEVEL).unwrap();
            assert!(Outline::parse(&[MAGIC, &packed].concat()).is_none(), "{length}");
        }
    }
}
