//! A cache in a folder: an OCI layout, whose `index.json` lists the cache under a tag.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use super::document::ARTIFACT_TYPE;
use super::place::{BlobContent, Place, PlaceError, read_bounded};
use crate::digest::{BlobDigest, HashingWriter};
use crate::image::{Descriptor, Index, media_type};
use crate::io_error::AtPath;
use crate::privacy;

/// By which annotation image-spec, image-layout.md, names what `index.json` lists.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const INDEX_LIMIT: u64 = 4 << 20;
const SCHEME: &str = "folder:";

pub struct Folder {
    path: PathBuf,
    /// What leads to the cache: a tag, or the manifest's digest.
    name: Name,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    Tag(String),
    Digest(BlobDigest),
}

impl Folder {
    /// A folder that is there, to be read. Its path is made absolute: the store keeps it.
    pub fn existing(path: &Path, name: Name) -> Result<Self, PlaceError> {
        Ok(Self { path: std::fs::canonicalize(path).at("open", path)?, name })
    }

    /// A folder to be written to, made when it is not there.
    pub fn made(path: &Path, tag: &str) -> Result<Self, PlaceError> {
        let blobs = path.join("blobs/sha256");
        privacy::make_folders_for_caller(&blobs)?;
        let folder = Self::existing(path, Name::Tag(tag.to_owned()))?;
        let layout = folder.path.join("oci-layout");
        if !layout.exists() {
            privacy::write_for_caller(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        Ok(folder)
    }

    /// The folder that a [`Place::source`] speaks of.
    pub fn of_source(source: &str) -> Option<PathBuf> {
        source.strip_prefix(SCHEME).map(PathBuf::from)
    }

    fn index(&self) -> Result<Index, PlaceError> {
        let path = self.path.join("index.json");
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Index::new(Vec::new())),
            file => file.at("open", &path)?,
        };
        let bytes = read_bounded(file, "the index.json", INDEX_LIMIT)?;
        serde_json::from_slice(&bytes).map_err(PlaceError::Index)
    }

    /// Writes a file that others see whole or not at all.
    fn replace(
        &self,
        target: &Path,
        write: impl FnOnce(&mut File) -> Result<(), PlaceError>,
    ) -> Result<(), PlaceError> {
        let temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.path).at("create", &self.path)?;
        let (mut file, path) = temporary.into_parts();
        write(&mut file)?;
        // Blobs of a cache are no secrets, and other builders read them.
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o644)).at("change the mode of", &path)?;
        path.persist(target).map_err(|error| error.error).at("rename", target)?;
        Ok(())
    }
}

/// Where a folder in OCI layout has the blob.
pub fn blob_path(folder: &Path, digest: &BlobDigest) -> PathBuf {
    folder.join("blobs/sha256").join(digest.hex())
}

/// Opens a blob of a folder.
pub fn open_blob(folder: &Path, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
    let path = blob_path(folder, digest);
    Ok(Box::new(File::open(&path).at("open", &path)?))
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
        let path = blob_path(&self.path, digest);
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            metadata => Ok(Some(metadata.at("read", &path)?.len())),
        }
    }

    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
        open_blob(&self.path, digest)
    }

    fn put_blob(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError> {
        let digest = blob.digest;
        let wrong = |source| PlaceError::Content { digest, source };
        let mut source = content().map_err(wrong)?;
        self.replace(&blob_path(&self.path, &digest), |file| {
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
        let path = self.path.join("index.json");
        self.replace(&blob_path(&self.path, &listed.digest), |file| Ok(file.write_all(bytes).at("write", &path)?))?;
        let mut index = self.index()?;
        index.manifests.retain(|other| other.annotations.get(REF_NAME) != Some(tag));
        index.manifests.push(listed);
        self.replace(&path, |file| Ok(file.write_all(&index.to_bytes()).at("write", &path)?))
    }

    fn lock(&self) -> Result<Option<Box<dyn Send>>, PlaceError> {
        let path = self.path.join(".lock");
        if !path.exists() {
            privacy::write_for_caller(&path, b"")?;
        }
        let file = File::options().write(true).open(&path).at("open", &path)?;
        file.lock().at("lock", &path)?;
        Ok(Some(Box::new(file)))
    }
}
