//! Checks what only makes builds faster or explains them: stat caches, lists of copies, outlines, downloads, cache
//! mounts, reports. Each of them can tell whether it is complete.

use std::fs::File;
use std::path::Path;

use super::{Check, Severity, entries};
use crate::base::digest::BlobDigest;
use crate::build::explain::{BuildReport, FileList};
use crate::store::{Store, StoreError};

/// Younger files with an unknown name may just be being written, in seconds.
pub(super) const YOUNG: u64 = 60;

impl Check<'_> {
    pub(super) fn notes(&mut self) -> Result<(), StoreError> {
        for folder in ["contexts", "copies", "outlines"] {
            self.files_of(folder, is_hex, ends_with_its_sum)?;
        }
        let is_download = |name: &str| is_hex(name.strip_suffix(".json").unwrap_or(name));
        self.files_of("downloads", is_download, is_whole_download)?;
        self.files_of("history", |name| matches!(name, "journal" | "logs"), |_, _| true)?;
        self.cache_mounts()
    }

    /// Checks a folder's files by their names and contents.
    fn files_of(
        &mut self,
        folder: &str,
        is_named: impl Fn(&str) -> bool,
        is_right: impl Fn(&str, &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        for entry in entries(&self.store.root().join(folder)) {
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            let (severity, fault) = if !is_named(&name) {
                if !is_old(&path) {
                    continue;
                }
                (Severity::Leftover, "whoever wrote it did not finish")
            } else if std::fs::read(&path).map_or(true, |bytes| is_right(&name, &bytes)) {
                continue;
            } else {
                (Severity::Damage, "its content is not what was written")
            };
            self.found(severity, format!("file {folder}/{name}"), fault, |store| {
                store.remove_leftover(&path)?;
                Ok(Some("removed: it is made again when it is needed".to_owned()))
            })?;
        }
        Ok(())
    }

    /// Folders of `RUN --mount=type=cache` that are empty and unused. What programs store there is not checked.
    fn cache_mounts(&mut self) -> Result<(), StoreError> {
        for entry in entries(&self.store.root().join("caches")) {
            let path = entry.path();
            let holds_data = entries(&path).any(|inner| inner.file_name().to_string_lossy().starts_with("data-"));
            if holds_data || is_locked(&path) || !is_old(&path) {
                continue;
            }
            let subject = format!("cache mount {}", entry.file_name().to_string_lossy());
            self.found(Severity::Leftover, subject, "nothing was ever put into it", |store: &Store| {
                store.remove_leftover(&path)?;
                Ok(Some("removed".to_owned()))
            })?;
        }
        Ok(())
    }

    pub(super) fn explanations(&mut self) -> Result<(), StoreError> {
        let is_right = |table: &str, content: &[u8]| match table {
            "file_lists" => FileList::from_bytes(content).is_some(),
            _ => serde_json::from_slice::<BuildReport>(content).is_ok(),
        };
        for (table, row) in self.store.unreadable_explanations(is_right)? {
            let what = if table == "builds" { "report of a build" } else { "list of files" };
            self.found(Severity::Damage, what, "it cannot be read", |store| {
                store.forget_explanation(table, row)?;
                Ok(Some("removed: the next build may explain itself less well".to_owned()))
            })?;
        }
        Ok(())
    }
}

fn is_hex(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn is_old(path: &Path) -> bool {
    let modified = std::fs::symlink_metadata(path).and_then(|status| status.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age.as_secs() > YOUNG))
}

fn ends_with_its_sum(_name: &str, bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<32>().is_some_and(|(content, sum)| blake3::hash(content).as_bytes() == sum)
}

fn is_whole_download(name: &str, bytes: &[u8]) -> bool {
    match name.strip_suffix(".json") {
        Some(_) => serde_json::from_slice::<serde_json::Value>(bytes).is_ok(),
        None => BlobDigest::of(bytes).hex() == name,
    }
}

fn is_locked(folder: &Path) -> bool {
    let mut locks = entries(folder).filter(|entry| entry.file_name().to_string_lossy().starts_with("lock-"));
    locks.any(|entry| File::open(entry.path()).is_ok_and(|file| file.try_lock().is_err()))
}
