//! Checks blobs: each one matches its digest and is needed.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Check, Severity, entries};
use crate::base::digest::{BlobDigest, HashingWriter};
use crate::base::io_error::AtPath;
use crate::store::{NamedBlob, StoreError};

impl Check<'_> {
    pub(super) fn blobs(&mut self) -> Result<(), StoreError> {
        let named = self.store.named_blobs()?;
        self.blob_files(&named, |_, _| true)?;
        self.gone_blobs(&named)
    }

    /// Checks the blobs that may not have been on the disk when the machine went down: those written since that second,
    /// and all of the wrong size.
    pub(super) fn blobs_since(&mut self, second: i64) -> Result<(), StoreError> {
        let named = self.store.named_blobs()?;
        let is_doubtful = |named: Option<&NamedBlob>, status: &Metadata| {
            let is_whole = named.and_then(|named| named.size).is_none_or(|size| size == status.len());
            status.mtime() >= second || status.len() == 0 || !is_whole
        };
        self.blob_files(&named, is_doubtful)?;
        self.gone_blobs(&named)
    }

    fn blob_files(
        &mut self,
        named: &HashMap<BlobDigest, NamedBlob>,
        is_asked_for: impl Fn(Option<&NamedBlob>, &Metadata) -> bool,
    ) -> Result<(), StoreError> {
        for entry in entries(&self.store.root().join("blobs/sha256")) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(digest) = format!("sha256:{name}").parse::<BlobDigest>() else {
                let path = entry.path();
                self.found(Severity::Leftover, format!("file blobs/sha256/{name}"), "it is not a blob", |store| {
                    store.remove_leftover(&path)?;
                    Ok(Some("removed".to_owned()))
                })?;
                continue;
            };
            if !entry.metadata().is_ok_and(|status| is_asked_for(named.get(&digest), &status)) {
                continue;
            }
            let actual = match hash(&entry.path()) {
                Ok(actual) => actual,
                // Removed meanwhile.
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let fault = format!("it cannot be read: {}", error.source);
                    self.found(Severity::Damage, format!("blob {digest}"), fault, |_| Ok(None))?;
                    continue;
                }
            };
            if actual != digest {
                self.damaged_blob(&digest, &actual)?;
            } else if !named.contains_key(&digest) {
                self.stray_blob(&digest)?;
            }
        }
        Ok(())
    }

    /// Blobs of layers and manifests that are referred to but missing. Configs are checked with their images.
    fn gone_blobs(&mut self, named: &HashMap<BlobDigest, NamedBlob>) -> Result<(), StoreError> {
        let gone = named.iter().filter(|(digest, named)| !named.is_config && !self.store.has_blob(digest));
        let mut gone: Vec<BlobDigest> = gone.map(|(digest, _)| *digest).collect();
        if !gone.is_empty() {
            // Removed meanwhile.
            let still = self.store.named_blobs()?;
            gone.retain(|digest| still.contains_key(digest));
        }
        gone.sort();
        for digest in gone {
            self.found(Severity::Leftover, format!("record of blob {digest}"), "the blob is not there", |store| {
                Ok(store.forget_blob(&digest)?.then(|| "forgotten: it is made or fetched again".to_owned()))
            })?;
        }
        Ok(())
    }

    fn damaged_blob(&mut self, digest: &BlobDigest, actual: &BlobDigest) -> Result<(), StoreError> {
        let fault = format!("its content is {actual}");
        self.found(Severity::Damage, format!("blob {digest}"), fault, |store| {
            let gone = store.forget_blob(digest)?;
            Ok(gone.then(|| "removed: it is made or fetched again when it is needed".to_owned()))
        })
    }

    fn stray_blob(&mut self, digest: &BlobDigest) -> Result<(), StoreError> {
        // An image may have been added since the list was read.
        if self.store.named_blobs()?.contains_key(digest) {
            return Ok(());
        }
        self.found(Severity::Leftover, format!("blob {digest}"), "nothing needs it", |store| {
            Ok(store.remove_stray_blob(digest)?.then(|| "removed".to_owned()))
        })
    }
}

fn hash(path: &Path) -> Result<BlobDigest, crate::base::io_error::IoError> {
    let mut file = File::open(path).at("open", path)?;
    let mut writer = HashingWriter::new(io::sink());
    io::copy(&mut file, &mut writer).at("read", path)?;
    Ok(writer.finish().1)
}
