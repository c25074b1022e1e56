//! Encodes a layer directory as its canonical tar stream: one order and one form, so that equal layers have equal
//! bytes.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::directory::{self, Status};
use super::header::{Record, TypeFlag};
use super::marks::Marks;
use super::output::{Folders, Form, HeldFile, Output};
use super::stream::StreamWriter;
use super::{FileKind, LayerError, xattrs};
use crate::base::digest::{ContentDigest, DiffId, FieldHasher, TreeDigest};
use crate::base::foreign::read_link_in;
use crate::base::io_error::{AtPath, IoError, check_depth};
use crate::base::rights;

/// The tag of tree digests; a change of what is hashed changes it.
const TREE_TAG: &str = "rbuild tree 1";

/// Digests of files in the layer that were computed when they were written, so that nothing is hashed twice.
pub trait KnownDigests {
    /// The digest of the file at `path`, relative to the layer's root.
    fn content_digest(&self, path: &Path) -> Option<ContentDigest>;

    /// Whether the file at `path` has only this name in the layer, whatever its folder says about names in other
    /// layers.
    fn has_one_name(&self, _path: &Path) -> bool {
        false
    }

    /// Everything that the stream says about the short file at `path`, if that is certain; it has one name and no
    /// extended attributes.
    fn said(&self, _path: &Path) -> Option<SaidFile> {
        None
    }
}

/// A regular file whose metadata is known, so that only its content is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaidFile {
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: i64,
    pub size: u64,
    pub digest: ContentDigest,
}

impl SaidFile {
    /// The largest file for which this is allowed: it is read at once.
    pub const MOST_BYTES: u64 = 64 << 10;
}

/// A layer without known digests of its files.
pub struct NothingKnown;

impl KnownDigests for NothingKnown {
    fn content_digest(&self, _: &Path) -> Option<ContentDigest> {
        None
    }
}

impl KnownDigests for HashMap<PathBuf, ContentDigest> {
    fn content_digest(&self, path: &Path) -> Option<ContentDigest> {
        self.get(path).copied()
    }
}

/// What `encode` learned about a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    /// SHA-256 of the stream.
    pub diff_id: DiffId,
    /// The same layer without modification times.
    pub tree: TreeDigest,
    /// Length of the tar stream in bytes.
    pub stream_len: u64,
    /// Sum of the lengths of regular files, hard links counted once.
    pub content_bytes: u64,
    /// Number of entries in the stream.
    pub entries: u64,
}

/// Writes the canonical tar stream of the layer directory `dir` to `out` and hashes it on the way; each file is read
/// once. The root directory itself is not an entry, and sockets are left out.
///
/// The stream has directories before their content, names in byte order, and the opaque mark first in its directory;
/// ustar headers, and PAX where they are not sufficient; whole seconds; no user names; further names of a file as hard
/// links to the first; two zero blocks at the end.
pub fn encode(dir: &Path, out: impl Write + Send, known: &dyn KnownDigests) -> Result<Encoded, LayerError> {
    encode_stacked(&[dir], out, known)
}

/// The same for a layer stored as several folders, the lowest first: what overlayfs shows of them.
pub fn encode_stacked<P: AsRef<Path>>(
    folders: &[P],
    out: impl Write + Send,
    known: &dyn KnownDigests,
) -> Result<Encoded, LayerError> {
    Ok(encode_from(folders, out, known, &Marks::default())?.0)
}

/// The same, but only computes the digests. Where the stream starts like one in `earlier`, that part is not read again.
/// Also returns this stream's marks.
pub fn hash_stacked<P: AsRef<Path>>(
    folders: &[P],
    known: &dyn KnownDigests,
    earlier: &Marks,
) -> Result<(Encoded, Marks), LayerError> {
    encode_from(folders, io::sink(), known, earlier)
}

fn encode_from<P: AsRef<Path>>(
    folders: &[P],
    out: impl Write + Send,
    known: &dyn KnownDigests,
    earlier: &Marks,
) -> Result<(Encoded, Marks), LayerError> {
    rights::held()?;
    let open = |folder: &P| directory::open_root(folder.as_ref()).at("open", folder.as_ref());
    let roots: Vec<OwnedFd> = folders.iter().rev().map(open).collect::<Result<_, _>>()?;
    let shown = folders.last().map_or(Path::new(""), AsRef::as_ref);
    std::thread::scope(|scope| {
        let mut encoder = Encoder {
            root: shown,
            known,
            output: Output::new(Folders { roots: &roots, shown }, StreamWriter::new(out, scope), earlier),
            tree: FieldHasher::new(TREE_TAG),
            content: blake3::Hasher::new(),
            path: Vec::new(),
            header: Vec::new(),
            links: HashMap::new(),
            content_bytes: 0,
            entries: 0,
        };
        encoder.directory(&roots)?;
        let Encoder { output, tree, content_bytes, entries, .. } = encoder;
        let (diff_id, stream_len, marks) = output.finish()?;
        let tree = TreeDigest::from_bytes(tree.finish());
        Ok((Encoded { diff_id, tree, stream_len, content_bytes, entries }, marks))
    })
}

/// The first name of a file that has several, and how many more are expected.
struct Link {
    path: Vec<u8>,
    left: u64,
}

struct Encoder<'a, 'scope, 'env, W> {
    root: &'a Path,
    known: &'a dyn KnownDigests,
    output: Output<'a, 'scope, 'env, W>,
    tree: FieldHasher,
    content: blake3::Hasher,
    /// The path of the current entry, relative to the root.
    path: Vec<u8>,
    header: Vec<u8>,
    links: HashMap<(u64, u64), Link>,
    content_bytes: u64,
    entries: u64,
}

impl<'scope, W: Write + Send + 'scope> Encoder<'_, 'scope, '_, W> {
    /// What is in a directory that is merged from `directories`, the topmost first.
    fn directory(&mut self, directories: &[OwnedFd]) -> Result<(), LayerError> {
        let names = merged_names(directories).map_err(|error| self.io("list", error))?;
        let parent_len = self.path.len();
        for (name, place) in names {
            if parent_len > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            check_depth(&self.path)?;
            self.entry(&directories[place..], &name)?;
            self.path.truncate(parent_len);
        }
        Ok(())
    }

    /// `parents`: the topmost one that has the name, and those below it.
    fn entry(&mut self, parents: &[OwnedFd], name: &CStr) -> Result<(), LayerError> {
        let Some(parent) = parents.first() else { return Ok(()) };
        if let Some(file) = self.known.said(Path::new(OsStr::from_bytes(&self.path))) {
            return self.said_file(parent, name, &file);
        }
        let status = directory::status(parent, name).map_err(|error| self.io("stat", error))?;
        if status.kind.is_whiteout() {
            return self.whiteout(name.to_bytes());
        }
        if name.to_bytes().starts_with(b".wh.") {
            return Err(LayerError::ReservedName { path: self.full_path() });
        }
        if status.links > 1 && self.may_have_names(&status) && self.hard_link(&status)? {
            return Ok(());
        }
        match status.kind {
            FileKind::Directory => self.subdirectory(parents, name, &status),
            FileKind::Regular => self.file(parent, name, &status),
            FileKind::Symlink => {
                let target = read_link_in(parent, OsStr::from_bytes(name.to_bytes()));
                let target = target.map_err(|error| self.io("read link", error.into()))?;
                self.plain(&status, TypeFlag::Symlink, target.to_bytes(), (0, 0))
            }
            FileKind::Fifo => self.plain(&status, TypeFlag::Fifo, b"", (0, 0)),
            FileKind::CharDevice { major, minor } => self.plain(&status, TypeFlag::CharDevice, b"", (major, minor)),
            FileKind::BlockDevice { major, minor } => self.plain(&status, TypeFlag::BlockDevice, b"", (major, minor)),
            FileKind::Socket => Ok(()),
        }
    }

    /// In layers that share files, each has several names but most have only one in this layer.
    fn may_have_names(&self, status: &Status) -> bool {
        let path = Path::new(OsStr::from_bytes(&self.path));
        match status.kind {
            FileKind::Directory => false,
            FileKind::Regular => !self.known.has_one_name(path),
            _ => true,
        }
    }

    fn subdirectory(&mut self, parents: &[OwnedFd], name: &CStr, status: &Status) -> Result<(), LayerError> {
        let mut merged: Vec<OwnedFd> = Vec::with_capacity(parents.len());
        for parent in parents {
            let directory = match directory::open_directory(parent, name) {
                Err(error) if !merged.is_empty() && error.kind() == io::ErrorKind::NotFound => continue,
                // Something else hides everything further below.
                Err(_) if !merged.is_empty() && is_no_directory(parent, name) => break,
                result => result.map_err(|error| self.io("open", error))?,
            };
            let attributes = xattrs::read(&directory).map_err(|error| self.io("read attributes of", error))?;
            if merged.is_empty() {
                let path = std::mem::take(&mut self.path);
                self.record(&Record { xattrs: &attributes.kept, ..described(&path, TypeFlag::Directory, status) })?;
                self.path = path;
                if attributes.opaque {
                    self.marker(b".wh..wh..opq", self.path.len())?;
                }
            }
            merged.push(directory);
            if attributes.opaque {
                break;
            }
        }
        self.directory(&merged)
    }

    fn file(&mut self, parent: &OwnedFd, name: &CStr, status: &Status) -> Result<(), LayerError> {
        let file = directory::open_file(parent, name).map_err(|error| self.io("open", error))?;
        let attributes = xattrs::read(&file).map_err(|error| self.io("read attributes of", error))?;
        let path = std::mem::take(&mut self.path);
        let record =
            Record { size: status.size, xattrs: &attributes.kept, ..described(&path, TypeFlag::Regular, status) };
        self.record(&record)?;
        self.path = path;
        self.content_bytes += status.size;
        let known = self.known.content_digest(Path::new(OsStr::from_bytes(&self.path)));
        if let (Some(digest), true) = (known, self.output.is_holding()) {
            let form = if status.is_sparse() { Form::Sparse } else { Form::Dense };
            self.output.hold(HeldFile { path: self.path.clone(), size: status.size, form });
            self.tree.field(digest.as_bytes());
            return Ok(());
        }
        let digest = if known.is_none() { Some(self.content.reset()) } else { None };
        let stream = self.output.stream()?;
        let appended = stream.append_file(file.as_fd(), status.size, status.is_sparse(), digest);
        appended.map_err(|error| error.of(self.full_path()))?;
        let digest = known.unwrap_or_else(|| ContentDigest::from_bytes(*self.content.finalize().as_bytes()));
        self.tree.field(digest.as_bytes());
        self.output.stream()?.pad()
    }

    fn said_file(&mut self, parent: &OwnedFd, name: &CStr, file: &SaidFile) -> Result<(), LayerError> {
        let path = std::mem::take(&mut self.path);
        let SaidFile { mode, owner: (uid, gid), mtime, size, digest } = *file;
        let flag = TypeFlag::Regular;
        self.record(&Record {
            path: &path,
            flag,
            mode,
            uid,
            gid,
            mtime,
            size,
            link: b"",
            device: (0, 0),
            xattrs: &[],
        })?;
        self.path = path;
        self.content_bytes += size;
        self.tree.field(digest.as_bytes());
        if self.output.is_holding() {
            self.output.hold(HeldFile { path: self.path.clone(), size, form: Form::Said });
            return Ok(());
        }
        let file = directory::open_file(parent, name).map_err(|error| self.io("open", error))?;
        let stream = self.output.stream()?;
        stream.append_said(file.as_fd(), size).map_err(|error| error.of(self.full_path()))?;
        self.output.stream()?.pad()
    }

    fn plain(&mut self, status: &Status, flag: TypeFlag, link: &[u8], device: (u32, u32)) -> Result<(), LayerError> {
        let path = std::mem::take(&mut self.path);
        let mode = if flag == TypeFlag::Symlink { 0o777 } else { status.mode };
        self.record(&Record { link, device, mode, ..described(&path, flag, status) })?;
        self.path = path;
        Ok(())
    }

    /// True if the current file has been encoded under another name, and this entry is now a link to it.
    fn hard_link(&mut self, status: &Status) -> Result<bool, LayerError> {
        let key = (status.device, status.inode);
        let Some(link) = self.links.get_mut(&key) else {
            self.links.insert(key, Link { path: self.path.clone(), left: status.links - 1 });
            return Ok(false);
        };
        link.left -= 1;
        let first = if link.left == 0 {
            self.links.remove(&key).map(|link| link.path).unwrap_or_default()
        } else {
            link.path.clone()
        };
        self.plain(status, TypeFlag::HardLink, &first, (0, 0))?;
        Ok(true)
    }

    fn whiteout(&mut self, name: &[u8]) -> Result<(), LayerError> {
        let parent_len = self.path.len() - name.len();
        let parent_len = parent_len.saturating_sub(1);
        self.marker(&[b".wh.", name].concat(), parent_len)
    }

    /// An empty file called `name` in the directory that the first `parent_len` bytes of the path name.
    fn marker(&mut self, name: &[u8], parent_len: usize) -> Result<(), LayerError> {
        let mut path = self.path[..parent_len].to_vec();
        if parent_len > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let record = Record {
            path: &path,
            flag: TypeFlag::Regular,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: 0,
            size: 0,
            link: b"",
            device: (0, 0),
            xattrs: &[],
        };
        self.record(&record)
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), LayerError> {
        self.output.boundary(&self.tree)?;
        self.entries += 1;
        hash_record(&mut self.tree, record);
        self.header.clear();
        record.write(&mut self.header);
        self.output.header(&self.header, record.mtime)
    }

    fn full_path(&self) -> PathBuf {
        self.root.join(OsStr::from_bytes(&self.path))
    }

    fn io(&self, action: &'static str, source: io::Error) -> LayerError {
        IoError { action, path: self.full_path(), source }.into()
    }
}

/// The names in all of the directories, each once, with the index of the first directory that has it, in byte order.
fn merged_names(directories: &[OwnedFd]) -> io::Result<Vec<(CString, usize)>> {
    let mut names = Vec::new();
    for (place, directory) in directories.iter().enumerate() {
        names.extend(directory::sorted_names(directory)?.into_iter().map(|name| (name, place)));
    }
    if directories.len() > 1 {
        names.sort();
        names.dedup_by(|later, first| later.0 == first.0);
    }
    Ok(names)
}

fn is_no_directory(parent: &OwnedFd, name: &CStr) -> bool {
    directory::status(parent, name).is_ok_and(|status| !status.kind.is_directory())
}

fn described<'a>(path: &'a [u8], flag: TypeFlag, status: &Status) -> Record<'a> {
    Record {
        path,
        flag,
        mode: status.mode,
        uid: status.uid,
        gid: status.gid,
        mtime: status.mtime.0,
        size: 0,
        link: b"",
        device: (0, 0),
        xattrs: &[],
    }
}

/// Everything but the modification time; the content's digest follows that of a regular file.
fn hash_record(tree: &mut FieldHasher, record: &Record<'_>) {
    tree.field(record.path);
    tree.number(record.flag as u64);
    tree.number(u64::from(record.mode));
    tree.number(u64::from(record.uid)).number(u64::from(record.gid));
    tree.number(record.size).field(record.link);
    tree.number(u64::from(record.device.0)).number(u64::from(record.device.1));
    tree.list(record.xattrs.len());
    for (name, value) in record.xattrs {
        tree.field(name).field(value);
    }
}
