//! OCI layouts in folders (image-spec, image-layout.md).

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::source::{Source, read_error};
use super::{CopyError, is_foreign};
use crate::digest::{BlobDigest, HashingWriter};
use crate::image::{Descriptor, Document, Index};
use crate::io_error::{AtPath, IoError};
use crate::privacy;
use crate::registry::RemoteManifest;

/// The tag in `index.json`.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const INDEX: &str = "index.json";
const DOCUMENT_LIMIT: u64 = 16 << 20;

/// A layout that is read.
pub struct Layout {
    path: PathBuf,
    /// What the tag, or the only entry, leads to.
    pub top: Descriptor,
}

impl Layout {
    pub fn read(path: &Path, tag: Option<&str>) -> Result<Self, CopyError> {
        let index = read_index(path)?.ok_or_else(|| CopyError::NotALayout { path: path.to_owned() })?;
        let name = |entry: &Descriptor| entry.annotations.get(REF_NAME).cloned();
        let offered = || {
            let names = index.manifests.iter().map(|entry| name(entry).unwrap_or_else(|| entry.digest.to_string()));
            names.collect::<Vec<_>>().join(", ")
        };
        let top = match (tag, index.manifests.as_slice()) {
            (None, [only]) => only.clone(),
            (None, _) => return Err(CopyError::Ambiguous { path: path.to_owned(), offered: offered() }),
            (Some(tag), entries) => {
                let is_wanted = |entry: &&Descriptor| {
                    name(entry).as_deref() == Some(tag) || entry.digest.to_string() == tag.trim_start_matches('@')
                };
                let found = entries.iter().find(is_wanted).cloned();
                found.ok_or_else(|| CopyError::NotInLayout {
                    path: path.to_owned(),
                    wanted: tag.to_owned(),
                    offered: offered(),
                })?
            }
        };
        Ok(Self { path: path.to_owned(), top })
    }

    pub fn document(&self, descriptor: &Descriptor) -> Result<RemoteManifest, CopyError> {
        let mut bytes = Vec::new();
        let reader = self.blob(descriptor, 0)?;
        reader.take(DOCUMENT_LIMIT).read_to_end(&mut bytes).map_err(|error| read_error(descriptor.digest, error))?;
        let actual = BlobDigest::of(&bytes);
        if actual != descriptor.digest {
            return Err(CopyError::WrongBlob { digest: descriptor.digest, actual, size: bytes.len() as u64 });
        }
        Ok(RemoteManifest { bytes, media_type: descriptor.media_type.clone(), digest: descriptor.digest })
    }

    pub fn blob(&self, blob: &Descriptor, offset: u64) -> Result<Box<dyn Read + '_>, CopyError> {
        let path = blob_path(&self.path, &blob.digest);
        let mut file = File::open(&path).at("open", &path)?;
        file.seek(SeekFrom::Start(offset)).at("read", &path)?;
        Ok(Box::new(file))
    }
}

fn blob_path(layout: &Path, digest: &BlobDigest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}

fn read_index(layout: &Path) -> Result<Option<Index>, CopyError> {
    let path = layout.join(INDEX);
    match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => {
            let index: Document<Index> = Document::parse("index", bytes.at("read", &path)?)?;
            Ok(Some(index.into_value()))
        }
    }
}

/// Brings a blob into a layout's folder, where it is not.
pub fn put_blob(layout: &Path, blob: &Descriptor, source: &dyn Source) -> Result<bool, CopyError> {
    let target = blob_path(layout, &blob.digest);
    if target.exists() || is_foreign(blob) {
        return Ok(false);
    }
    let folder = layout.join("blobs/sha256");
    privacy::make_folders_for_caller(&folder)?;
    let file = tempfile::NamedTempFile::new_in(&folder).at("create a file in", &folder)?;
    let mut writer = HashingWriter::new(file);
    // One byte more than there should be is enough to see that there is too much.
    let mut reader = source.blob(blob, 0)?.take(blob.size.saturating_add(1));
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = reader.read(&mut buffer).map_err(|error| read_error(blob.digest, error))?;
        if count == 0 {
            break;
        }
        writer.write_all(&buffer[..count]).at("write", &target)?;
    }
    let (file, actual, size) = writer.finish();
    if actual != blob.digest || size != blob.size {
        return Err(CopyError::WrongBlob { digest: blob.digest, actual, size });
    }
    keep(file, &target)?;
    Ok(true)
}

pub fn put_document(layout: &Path, document: &RemoteManifest) -> Result<(), CopyError> {
    write(&blob_path(layout, &document.digest), &document.bytes)
}

/// Lists the document in `index.json`, in the place of what had the tag before.
pub fn list(layout: &Path, document: &RemoteManifest, tag: Option<&str>) -> Result<(), CopyError> {
    put_document(layout, document)?;
    let mut descriptor = Descriptor::new(&document.media_type, document.digest, document.bytes.len() as u64);
    descriptor.annotations.extend(tag.map(|tag| (REF_NAME.to_owned(), tag.to_owned())));
    let mut index = read_index(layout)?.unwrap_or_else(|| Index::new(Vec::new()));
    let same = |entry: &Descriptor| match tag {
        Some(tag) => entry.annotations.get(REF_NAME).is_some_and(|name| name == tag),
        None => entry.digest == document.digest && !entry.annotations.contains_key(REF_NAME),
    };
    index.manifests.retain(|entry| !same(entry));
    index.manifests.push(descriptor);
    write(&layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    write(&layout.join(INDEX), &index.to_bytes())
}

/// Puts a file in its place whole.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CopyError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    privacy::make_folders_for_caller(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).at("create a file in", folder)?;
    file.write_all(bytes).at("write", path)?;
    Ok(keep(file, path)?)
}

fn keep(file: tempfile::NamedTempFile, path: &Path) -> Result<(), IoError> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).at("change", path)?;
    file.persist(path).map_err(|error| error.error).at("rename", path)?;
    Ok(())
}
