//! OCI layouts in folders (image-spec, image-layout.md).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use super::CopyError;
use super::source::{Source, read_error};
use crate::base::digest::{BlobDigest, HashingWriter};
use crate::base::foreign::{Folder, Tree};
use crate::base::io_error::AtPath;
use crate::base::outgoing;
use crate::base::privacy;
use crate::image::{Descriptor, Document, Index};
use crate::transport::registry::RemoteManifest;

/// The tag in `index.json`.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const INDEX: &str = "index.json";
const DOCUMENT_LIMIT: u64 = 16 << 20;
const MODE: u32 = 0o644;

/// A layout for reading. Links in it are followed, but not out of it.
pub struct Layout {
    files: Tree,
    /// What the tag, or the only entry, refers to.
    pub top: Descriptor,
}

impl Layout {
    pub fn read(path: &Path, tag: Option<&str>) -> Result<Self, CopyError> {
        let files = Tree::in_root(Folder::open(path)?);
        let index = read_index(&files)?.ok_or_else(|| CopyError::NotALayout { path: path.to_owned() })?;
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
        Ok(Self { files, top })
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
        let path = blob_path(&blob.digest);
        let mut file = self.files.followed(&path)?.open_file()?;
        file.seek(SeekFrom::Start(offset)).at("read", &path)?;
        Ok(Box::new(file))
    }
}

fn blob_path(digest: &BlobDigest) -> PathBuf {
    Path::new("blobs/sha256").join(digest.hex())
}

fn read_index(layout: &Tree) -> Result<Option<Index>, CopyError> {
    let Some(file) = layout.find_file(Path::new(INDEX))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(DOCUMENT_LIMIT).read_to_end(&mut bytes).at("read", layout.root().shown().join(INDEX))?;
    let index: Document<Index> = Document::parse("index", bytes)?;
    Ok(Some(index.into_value()))
}

/// The folder of a layout's blobs, created with its parents if missing.
fn blobs(layout: &Path) -> Result<Folder, CopyError> {
    let mode = privacy::callers_folder_mode();
    Ok(outgoing::folder(layout)?.made_folder(OsStr::new("blobs"), mode)?.made_folder(OsStr::new("sha256"), mode)?)
}

/// Adds a blob to a layout's folder, unless it is there.
pub fn put_blob(layout: &Path, blob: &Descriptor, source: &dyn Source) -> Result<bool, CopyError> {
    let (folder, name) = (blobs(layout)?, blob.digest.hex());
    let name = OsStr::new(&name);
    let is_file = |stat: Stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if folder.stat(name)?.is_some_and(is_file) || blob.is_foreign() {
        return Ok(false);
    }
    folder.replace(name, MODE, |file| write_blob(file, blob, source))?;
    Ok(true)
}

fn write_blob(file: &mut File, blob: &Descriptor, source: &dyn Source) -> Result<(), CopyError> {
    let mut writer = HashingWriter::new(file);
    // One byte beyond the announced length is enough to detect an excess.
    let mut reader = source.blob(blob, 0)?.take(blob.size.saturating_add(1));
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = reader.read(&mut buffer).map_err(|error| read_error(blob.digest, error))?;
        if count == 0 {
            break;
        }
        writer.write_all(&buffer[..count]).at("write", blob_path(&blob.digest))?;
    }
    match writer.finish() {
        (_, actual, size) if actual != blob.digest || size != blob.size => {
            Err(CopyError::WrongBlob { digest: blob.digest, actual, size })
        }
        _ => Ok(()),
    }
}

pub fn put_document(layout: &Path, document: &RemoteManifest) -> Result<(), CopyError> {
    write(&blobs(layout)?, &document.digest.hex(), &document.bytes)
}

/// Lists the document in `index.json`, replacing the tag's old entry.
pub fn list(layout: &Path, document: &RemoteManifest, tag: Option<&str>) -> Result<(), CopyError> {
    put_document(layout, document)?;
    let mut descriptor = Descriptor::new(&document.media_type, document.digest, document.bytes.len() as u64);
    descriptor.annotations.extend(tag.map(|tag| (REF_NAME.to_owned(), tag.to_owned())));
    let root = outgoing::folder(layout)?;
    let mut index = read_index(&Tree::in_root(root.itself()?.folder()?))?.unwrap_or_else(|| Index::new(Vec::new()));
    let same = |entry: &Descriptor| match tag {
        Some(tag) => entry.annotations.get(REF_NAME).is_some_and(|name| name == tag),
        None => entry.digest == document.digest && !entry.annotations.contains_key(REF_NAME),
    };
    index.manifests.retain(|entry| !same(entry));
    index.manifests.push(descriptor);
    write(&root, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    write(&root, INDEX, &index.to_bytes())
}

/// Writes a file atomically.
fn write(folder: &Folder, name: &str, bytes: &[u8]) -> Result<(), CopyError> {
    let name = OsStr::new(name);
    Ok(folder.replace(name, MODE, |file| file.write_all(bytes).at("write", folder.shown().join(name)))?)
}
