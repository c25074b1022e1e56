//! Blobs: each is what its name says, and somebody needs it.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;

use super::{Check, Severity, entries};
use crate::digest::{BlobDigest, HashingWriter};
use crate::io_error::AtPath;
use crate::store::StoreError;

impl Check<'_> {
    pub(super) fn blobs(&mut self) -> Result<(), StoreError> {
        let folder = self.store.root().join("blobs/sha256");
        let named: HashSet<BlobDigest> = self.store.named_blobs()?.into_iter().collect();
        for entry in entries(&folder) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(digest) = format!("sha256:{name}").parse::<BlobDigest>() else {
                let path = entry.path();
                self.found(Severity::Leftover, format!("file blobs/sha256/{name}"), "it is no blob", |store| {
                    store.remove_leftover(&path)?;
                    Ok(Some("removed".to_owned()))
                })?;
                continue;
            };
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
            } else if !named.contains(&digest) {
                self.stray_blob(&digest)?;
            }
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
        // An image may have come since the list was read.
        if self.store.named_blobs()?.contains(digest) {
            return Ok(());
        }
        self.found(Severity::Leftover, format!("blob {digest}"), "nothing needs it", |store| {
            Ok(store.remove_stray_blob(digest)?.then(|| "removed".to_owned()))
        })
    }
}

fn hash(path: &Path) -> Result<BlobDigest, crate::io_error::IoError> {
    let mut file = File::open(path).at("open", path)?;
    let mut writer = HashingWriter::new(io::sink());
    io::copy(&mut file, &mut writer).at("read", path)?;
    Ok(writer.finish().1)
}
