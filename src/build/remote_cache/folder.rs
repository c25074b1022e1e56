//! A cache in a folder: an OCI layout, whose `index.json` lists the cache under a tag.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::document::ARTIFACT_TYPE;
use super::place::{BlobContent, Place, PlaceError, read_bounded};
use crate::base::digest::{BlobDigest, HashingWriter};
use crate::base::foreign::{self, Tree};
use crate::base::io_error::AtPath;
use crate::base::outgoing;
use crate::base::privacy;
use crate::image::{Descriptor, Index, media_type};

/// The annotation for names in `index.json` (image-spec, image-layout.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const INDEX_LIMIT: u64 = 4 << 20;
const SCHEME: &str = "folder:";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// Blobs of a cache are not secret, and other builders read them.
const MODE: u32 = 0o644;

pub struct Folder {
    path: PathBuf,
    /// The name of the cache: a tag, or the manifest's digest.
    name: Name,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    Tag(String),
    Digest(BlobDigest),
}

impl Folder {
    /// An existing folder, for reading. Its path is made absolute, because the store keeps it.
    pub fn existing(path: &Path, name: Name) -> Result<Self, PlaceError> {
        Ok(Self { path: std::fs::canonicalize(path).at("open", path)?, name })
    }

    /// A folder for writing, made if it does not exist.
    pub fn made(path: &Path, tag: &str) -> Result<Self, PlaceError> {
        let folder = Self { path: outgoing::folder_path(path)?, name: Name::Tag(tag.to_owned()) };
        folder.blobs()?;
        let root = folder.root()?;
        if root.stat(OsStr::new("oci-layout"))?.is_none() {
            root.replace(OsStr::new("oci-layout"), MODE, |file| file.write_all(LAYOUT).at("write", path))?;
        }
        Ok(folder)
    }

    /// The folder behind a [`Place::source`].
    pub fn of_source(source: &str) -> Option<PathBuf> {
        source.strip_prefix(SCHEME).map(PathBuf::from)
    }

    fn index(&self) -> Result<Index, PlaceError> {
        let Some(file) = Tree::in_root(self.root()?).find_file(Path::new("index.json"))? else {
            return Ok(Index::new(Vec::new()));
        };
        let bytes = read_bounded(file, "the index.json", INDEX_LIMIT)?;
        serde_json::from_slice(&bytes).map_err(PlaceError::Index)
    }

    fn root(&self) -> Result<foreign::Folder, PlaceError> {
        Ok(foreign::Folder::open(&self.path)?)
    }

    /// The folder of its blobs, made if missing.
    fn blobs(&self) -> Result<foreign::Folder, PlaceError> {
        let mode = privacy::callers_folder_mode();
        Ok(self.root()?.made_folder(OsStr::new("blobs"), mode)?.made_folder(OsStr::new("sha256"), mode)?)
    }
}

/// The path of the blob in an OCI layout.
fn blob_path(digest: &BlobDigest) -> PathBuf {
    Path::new("blobs/sha256").join(digest.hex())
}

fn find_blob(folder: &Path, digest: &BlobDigest) -> Result<Option<File>, PlaceError> {
    Ok(Tree::in_root(foreign::Folder::open(folder)?).find_file(&blob_path(digest))?)
}

/// Opens a blob in a folder.
pub fn open_blob(folder: &Path, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
    match find_blob(folder, digest)? {
        Some(file) => Ok(Box::new(file)),
        None => Err(PlaceError::NoBlob { digest: *digest }),
    }
}

impl Place for Folder {
    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn source(&self) -> String {
        format!("{SCHEME}{}", self.path.display())
    }

    fn manifest(&self, limit: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        let digest = match &self.name {
            Name::Digest(digest) => *digest,
            Name::Tag(tag) => {
                let index = self.index()?;
                let has_tag = |listed: &&Descriptor| listed.annotations.get(REF_NAME) == Some(tag);
                match index.manifests.iter().find(has_tag) {
                    Some(listed) => listed.digest,
                    None => return Ok(None),
                }
            }
        };
        read_bounded(self.open_blob(&digest)?, "the manifest", limit).map(Some)
    }

    fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, PlaceError> {
        let Some(file) = find_blob(&self.path, digest)? else { return Ok(None) };
        Ok(Some(file.metadata().at("read", self.path.join(blob_path(digest)))?.len()))
    }

    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
        open_blob(&self.path, digest)
    }

    fn put_blob(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError> {
        let digest = blob.digest;
        let wrong = |source| PlaceError::Content { digest, source };
        let mut source = content().map_err(wrong)?;
        self.blobs()?.replace(OsStr::new(&digest.hex()), MODE, |file| {
            let mut out = HashingWriter::new(io::BufWriter::new(file));
            io::copy(&mut source, &mut out).at("write", &self.path)?;
            out.flush().at("write", &self.path)?;
            match out.finish() {
                (_, actual, _) if actual == digest => Ok(()),
                (_, actual, _) => Err(wrong(format!("its content is {actual}").into())),
            }
        })
    }

    fn put_manifest(&self, bytes: &[u8]) -> Result<(), PlaceError> {
        let Name::Tag(tag) = &self.name else {
            return Err(PlaceError::NoBlob { digest: BlobDigest::of(bytes) });
        };
        let mut listed = Descriptor::new(media_type::OCI_MANIFEST, BlobDigest::of(bytes), bytes.len() as u64);
        listed.artifact_type = ARTIFACT_TYPE.to_owned();
        listed.annotations.insert(REF_NAME.to_owned(), tag.clone());
        let write = |file: &mut File, bytes: &[u8]| file.write_all(bytes).at("write", &self.path);
        self.blobs()?.replace(OsStr::new(&listed.digest.hex()), MODE, |file| write(file, bytes))?;
        let mut index = self.index()?;
        index.manifests.retain(|other| other.annotations.get(REF_NAME) != Some(tag));
        index.manifests.push(listed);
        Ok(self.root()?.replace(OsStr::new("index.json"), MODE, |file| write(file, &index.to_bytes()))?)
    }

    fn lock(&self) -> Result<Option<Box<dyn Send>>, PlaceError> {
        let (root, name) = (self.root()?, OsStr::new(".lock"));
        if root.stat(name)?.is_none() {
            let mode = privacy::callers_file_mode();
            match root.make_file(name, mode) {
                Ok(_) => root.set_mode(name, mode)?,
                // Another build was faster.
                Err(error) if error.errno() == Some(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let file = root.open_file(name)?;
        file.lock().at("lock", root.shown().join(name))?;
        Ok(Some(Box::new(file)))
    }
}
