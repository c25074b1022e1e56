//! Checks layers: each folder matches its diffID.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use super::{Check, Severity, entries};
use crate::base::digest::{DiffId, TreeDigest};
use crate::image::layer::{self, ApplyOptions, Decoder, NothingKnown};
use crate::store::{LayerRow, Store, StoreError};

/// The result of checking a layer.
enum Verdict {
    Right,
    Wrong(String),
    /// There is nothing to compare it with.
    Unknown,
}

impl Check<'_> {
    pub(super) fn layers(&mut self) -> Result<(), StoreError> {
        let rows = self.store.layer_rows()?;
        for row in &rows {
            self.layer(row)?;
        }
        let known: HashSet<DiffId> = rows.iter().map(|row| row.diff_id).collect();
        for entry in entries(&self.store.root().join("layers")) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let diff_id = format!("sha256:{name}").parse::<DiffId>();
            let is_known = diff_id.as_ref().is_ok_and(|diff_id| known.contains(diff_id));
            // A layer that was added since the rows were read has a row by now, or is about to get it.
            if is_known || diff_id.is_ok_and(|diff_id| self.is_alive(&diff_id)) {
                continue;
            }
            let path = entry.path();
            self.found(Severity::Leftover, format!("folder layers/{name}"), "no record names it", |store| {
                store.remove_leftover(&path)?;
                Ok(Some("removed".to_owned()))
            })?;
        }
        Ok(())
    }

    /// Checks the layers that may not have been on the disk when the machine went down.
    pub(super) fn unsynced_layers(&mut self) -> Result<(), StoreError> {
        for row in self.store.layer_rows()?.iter().filter(|row| row.unsynced) {
            self.layer(row)?;
        }
        if self.repairs {
            self.store.trust_records_of_trusted_layers()?;
        }
        Ok(())
    }

    fn is_alive(&self, diff_id: &DiffId) -> bool {
        self.store.layer(diff_id).is_ok_and(|layer| layer.is_some())
            || !self.store.claim_layers(&[*diff_id]).is_ok_and(|claimed| claimed.has_any())
    }

    fn layer(&mut self, row: &LayerRow) -> Result<(), StoreError> {
        let diff_id = row.diff_id;
        let folders: Vec<PathBuf> = row.base.iter().chain([&diff_id]).map(|id| self.store.layer_path(id)).collect();
        let subject = format!("layer {diff_id}");
        if let Some(missing) = folders.iter().find(|folder| !folder.is_dir()) {
            if self.store.layer_rows()?.iter().all(|row| row.diff_id != diff_id) {
                return Ok(());
            }
            let severity = if self.store.can_have_layer(&diff_id)? { Severity::Leftover } else { Severity::Damage };
            let is_own = *missing == self.store.layer_path(&diff_id);
            let fault = if is_own { "its folder is gone" } else { "the layer that it stands on is gone" };
            return self.found(severity, subject, fault, |store| {
                Ok(store.forget_layer_folder(&diff_id, "system check")?.then(|| "its record was removed".to_owned()))
            });
        }
        match verify(self.store, row, &folders)? {
            Verdict::Right | Verdict::Unknown if !row.unsynced => Ok(()),
            Verdict::Right => self.found(
                Severity::Leftover,
                subject,
                "it was not safe on the disk when the machine went down",
                |store| {
                    store.trust_layer(&diff_id)?;
                    Ok(Some("its content is right: it is trusted again".to_owned()))
                },
            ),
            Verdict::Unknown => self.found(
                Severity::Leftover,
                subject,
                "it was not safe on the disk when the machine went down, and cannot be verified",
                |store| Ok(store.forget_layer_folder(&diff_id, "system check")?.then(|| "removed".to_owned())),
            ),
            Verdict::Wrong(fault) => self.found(Severity::Damage, subject, fault, |store| {
                let gone = store.forget_layer_folder(&diff_id, "system check")?;
                Ok(gone.then(|| "removed: it is made, unpacked or fetched again when it is needed".to_owned()))
            }),
        }
    }
}

fn verify(store: &Store, row: &LayerRow, folders: &[PathBuf]) -> Result<Verdict, StoreError> {
    let encoded = match layer::encode_stacked(folders, io::sink(), &NothingKnown) {
        Ok(encoded) => encoded,
        Err(_) if folders.iter().any(|folder| !folder.is_dir()) => return Ok(Verdict::Right),
        Err(error) => return Ok(Verdict::Wrong(format!("it cannot be read: {error}"))),
    };
    if row.built {
        let same = encoded.diff_id == row.diff_id;
        return Ok(if same { Verdict::Right } else { wrong(&encoded.diff_id) });
    }
    if let Some(tree) = row.tree {
        return Ok(if encoded.tree == tree { Verdict::Right } else { wrong(&encoded.diff_id) });
    }
    // An unpacked layer need not reproduce its stream; it has to equal the result of unpacking.
    Ok(match unpacked_tree(store, &row.diff_id)? {
        Some(tree) if tree == encoded.tree => Verdict::Right,
        Some(_) => Verdict::Wrong("its files are not those of its blob".to_owned()),
        None => Verdict::Unknown,
    })
}

fn wrong(actual: &DiffId) -> Verdict {
    Verdict::Wrong(format!("its content is {actual}"))
}

/// The tree digest of unpacking the layer's blob; `None` if there is no valid blob.
fn unpacked_tree(store: &Store, diff_id: &DiffId) -> Result<Option<TreeDigest>, StoreError> {
    for blob in store.layer_blobs(diff_id)? {
        let staging = store.staging()?;
        let directory = staging.path().join("layer");
        if std::fs::create_dir(&directory).is_err() {
            return Ok(None);
        }
        let Ok(stream) = store.open_blob(&blob.digest).map_err(io::Error::other).and_then(Decoder::new) else {
            continue;
        };
        let applied = layer::apply(stream, &directory, &ApplyOptions::default());
        if applied.is_ok_and(|applied| applied.diff_id == *diff_id) {
            let encoded = layer::encode(&directory, io::sink(), &NothingKnown).ok();
            return Ok(encoded.map(|encoded| encoded.tree));
        }
    }
    Ok(None)
}
