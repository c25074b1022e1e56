//! What a check of the store reads and removes: all rows, trusted or not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::{Reader, Store, StoreError, durability, now, schema};
use crate::base::digest::{BlobDigest, CacheKey, DiffId, TreeDigest};
use crate::base::io_error::AtPath;

/// The explanations of builds: the tables, their key columns, and their contents.
const EXPLANATIONS: [(&str, &str, &str); 2] = [("file_lists", "rowid", "list"), ("builds", "id", "report")];

/// What the database says about a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedBlob {
    /// Its size, if recorded.
    pub size: Option<u64>,
    /// It is the config of an image.
    pub is_config: bool,
}

/// A row of the layers table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRow {
    /// Which layer it is.
    pub diff_id: DiffId,
    /// The digest of its tree.
    pub tree: Option<TreeDigest>,
    /// Encoding its folder reproduces its stream.
    pub built: bool,
    /// Its base layer.
    pub base: Option<DiffId>,
    /// It was written before a power loss and not synced.
    pub unsynced: bool,
}

impl Reader {
    /// What SQLite finds wrong with the database; `None` if nothing is.
    pub fn database_faults(&self) -> Result<Vec<String>, StoreError> {
        faults(&self.database())
    }

    /// The records of all layers.
    pub fn layer_rows(&self) -> Result<Vec<LayerRow>, StoreError> {
        let database = self.database();
        let mut statement = database
            .prepare_cached("SELECT diff_id, tree, built, boot, base FROM layers ORDER BY base IS NOT NULL, diff_id")?;
        let rows = statement.query_map([], |row| {
            Ok(LayerRow {
                diff_id: DiffId::from_bytes(row.get(0)?),
                tree: row.get::<_, Option<[u8; 32]>>(1)?.map(TreeDigest::from_bytes),
                built: row.get(2)?,
                base: row.get::<_, Option<[u8; 32]>>(4)?.map(DiffId::from_bytes),
                unsynced: row.get::<_, Option<String>>(3)?.is_some_and(|boot| boot != self.boot),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every blob that the database names.
    pub fn named_blobs(&self) -> Result<HashMap<BlobDigest, NamedBlob>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached(
            "SELECT id, NULL, 1 FROM images UNION SELECT manifest, NULL, 0 FROM images WHERE manifest IS NOT NULL
             UNION SELECT digest, size, 0 FROM layer_blobs",
        )?;
        let rows = statement.query_map([], |row| {
            let size = row.get::<_, Option<i64>>(1)?.map(|size| size as u64);
            Ok((BlobDigest::from_bytes(row.get(0)?), NamedBlob { size, is_config: row.get(2)? }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Records of explanations that cannot be read, according to `is_right`. Returns the table and row of each.
    pub fn unreadable_explanations(
        &self,
        is_right: impl Fn(&str, &[u8]) -> bool,
    ) -> Result<Vec<(&'static str, i64)>, StoreError> {
        let database = self.database();
        let mut wrong = Vec::new();
        for (table, id, column) in EXPLANATIONS {
            let mut statement = database.prepare(&format!("SELECT {id}, CAST({column} AS BLOB) FROM {table}"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let content = row.get_ref(1)?.as_blob().unwrap_or_default();
                if !is_right(table, content) {
                    wrong.push((table, row.get(0)?));
                }
            }
        }
        Ok(wrong)
    }

    /// Cache records that lead to layers of which nothing exists.
    pub fn dead_cache_records(&self) -> Result<Vec<(CacheKey, DiffId)>, StoreError> {
        let records: Vec<(CacheKey, DiffId)> = {
            let database = self.database();
            let mut statement = database.prepare_cached("SELECT key, diff_id FROM cache")?;
            let rows = statement
                .query_map([], |row| Ok((CacheKey::from_bytes(row.get(0)?), DiffId::from_bytes(row.get(1)?))))?;
            rows.collect::<Result<_, _>>()?
        };
        let mut dead = Vec::new();
        for (key, diff_id) in records {
            if self.step_layer(&diff_id)?.is_none() {
                dead.push((key, diff_id));
            }
        }
        Ok(dead)
    }
}

impl Store {
    /// Removes a row that can't be read.
    pub fn forget_explanation(&self, table: &str, row: i64) -> Result<(), StoreError> {
        if let Some((table, id, _)) = EXPLANATIONS.iter().find(|(known, ..)| *known == table) {
            self.database().execute(&format!("DELETE FROM {table} WHERE {id} = ?1"), [row])?;
        }
        Ok(())
    }

    /// Removes the record with this key.
    pub fn forget_cache_record(&self, key: &CacheKey) -> Result<(), StoreError> {
        self.database().execute("DELETE FROM cache WHERE key = ?1", [key.as_bytes()])?;
        Ok(())
    }

    /// Removes the blob's file and everything the database says about it, except the image whose config it is. False if
    /// a running process uses it.
    pub fn forget_blob(&self, digest: &BlobDigest) -> Result<bool, StoreError> {
        let Some(_claim) = self.claim(digest.as_bytes())? else { return Ok(false) };
        {
            let mut database = self.database();
            let transaction = database.transaction()?;
            transaction.execute("DELETE FROM layer_blobs WHERE digest = ?1", [digest.as_bytes()])?;
            transaction.execute("UPDATE images SET manifest = NULL WHERE manifest = ?1", [digest.as_bytes()])?;
            transaction.commit()?;
        }
        self.remove_blob(digest)?;
        Ok(true)
    }

    /// Removes the layer's folder and its row; it is restored from a blob or fetched again on demand. False if a
    /// running process uses it.
    pub fn forget_layer_folder(&self, diff_id: &DiffId, by: &str) -> Result<bool, StoreError> {
        let Some(_claim) = self.claim(diff_id.as_bytes())? else { return Ok(false) };
        self.present().remove(diff_id);
        self.note_eviction(diff_id, by)?;
        {
            let mut database = self.database();
            let transaction = database.transaction()?;
            for table in ["cache", "trees", "layers"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE diff_id = ?1"), [diff_id.as_bytes()])?;
            }
            transaction.commit()?;
        }
        self.discard(&self.layer_path(diff_id))?;
        Ok(true)
    }

    /// The layer was verified: it is trusted from now on.
    pub fn trust_layer(&self, diff_id: &DiffId) -> Result<(), StoreError> {
        let mut database = self.database();
        let transaction = database.transaction()?;
        transaction.execute("UPDATE layers SET boot = NULL WHERE diff_id = ?1", [diff_id.as_bytes()])?;
        transaction.execute("UPDATE cache SET boot = NULL WHERE diff_id = ?1", params![diff_id.as_bytes()])?;
        transaction.commit()?;
        Ok(())
    }

    /// Trusts records that were written shortly before a power loss if their layers are trusted.
    pub fn trust_records_of_trusted_layers(&self) -> Result<(), StoreError> {
        self.database().execute(
            "UPDATE cache SET boot = NULL WHERE boot <> ?1 AND diff_id IN (SELECT diff_id FROM layers WHERE boot IS NULL)",
            [&self.boot],
        )?;
        Ok(())
    }

    /// Removes what is at `path` below the store's folder.
    pub fn remove_leftover(&self, path: &Path) -> Result<(), StoreError> {
        self.discard(path)
    }

    /// Removes a blob that the database does not name; false if it is in use or named after all.
    pub fn remove_stray_blob(&self, digest: &BlobDigest) -> Result<bool, StoreError> {
        self.remove_unused_blob(digest)
    }
}

fn faults(database: &Connection) -> Result<Vec<String>, StoreError> {
    let mut faults = Vec::new();
    let mut statement = database.prepare("PRAGMA integrity_check(20)")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    for row in rows {
        match row {
            Ok(text) if text == "ok" => {}
            Ok(text) => faults.push(text),
            Err(error) => {
                faults.push(error.to_string());
                break;
            }
        }
    }
    if faults.is_empty() {
        let changes = schema::changes(database)?.into_iter();
        faults.extend(changes.map(|name| format!("the definition of {name} is not that of this version of rbuild")));
    }
    if faults.is_empty() {
        let mut statement = database.prepare("PRAGMA foreign_key_check")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        for table in rows {
            faults.push(format!("a row of {} names a row that is not there", table?));
        }
    }
    Ok(faults)
}

/// Moves a damaged database aside, and creates a new one from the rows that can still be read. Returns the new path of
/// the damaged one, and the number of rows saved. No process may have the store open.
pub fn damaged_database(root: &Path) -> Result<(PathBuf, usize), StoreError> {
    let path = root.join("store.db");
    let aside = root.join(format!("store.db.damaged-{}", now()));
    let fresh = root.join("store.db.new");
    for stale in [&fresh, &root.join("store.db.new-wal"), &root.join("store.db.new-shm")] {
        let _ = std::fs::remove_file(stale);
    }
    let mut new = Connection::open(&fresh)?;
    schema::prepare(&mut new)?;
    let saved = salvage(&path, &new).unwrap_or(0);
    new.close().map_err(|(_, error)| error)?;
    for suffix in ["-wal", "-shm"] {
        let from = root.join(format!("store.db{suffix}"));
        if from.exists() {
            std::fs::rename(&from, format!("{}{suffix}", aside.display())).at("rename", &from)?;
        }
    }
    std::fs::rename(&path, &aside).at("rename", &path)?;
    std::fs::rename(&fresh, &path).at("rename", &fresh)?;
    let folder = std::fs::File::open(root).at("open", root)?;
    rustix::fs::fsync(&folder).at("sync", root)?;
    durability::boot_id()?;
    Ok((aside, saved))
}

/// In the order in which their rows refer to each other.
const SALVAGED: [&str; 8] =
    ["images", "tags", "variants", "layers", "layer_blobs", "layer_sources", "layer_claims", "cache"];

fn salvage(damaged: &Path, new: &Connection) -> Result<usize, StoreError> {
    let old = Connection::open_with_flags(damaged, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut saved = 0;
    for table in SALVAGED {
        // A table that cannot be read at all is lost.
        saved += salvage_table(&old, new, table).unwrap_or(0);
    }
    Ok(saved)
}

fn salvage_table(old: &Connection, new: &Connection, table: &str) -> Result<usize, StoreError> {
    let mut statement = old.prepare(&format!("SELECT * FROM {table}"))?;
    // Column names may be corrupted too, but not their positions: newer versions append columns.
    let intended = new.prepare(&format!("SELECT * FROM {table}"))?;
    let columns: Vec<&str> = intended.column_names().take(statement.column_count()).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    let mut insert =
        new.prepare(&format!("INSERT OR IGNORE INTO {table} ({}) VALUES ({marks})", columns.join(", ")))?;
    let mut rows = statement.query([])?;
    let mut saved = 0;
    // Reads up to the first damaged page.
    while let Ok(Some(row)) = rows.next() {
        let values: Result<Vec<rusqlite::types::Value>, _> = (0..columns.len()).map(|column| row.get(column)).collect();
        let Ok(values) = values else { continue };
        // A row that violates a constraint is damaged itself.
        saved += insert.execute(rusqlite::params_from_iter(values)).unwrap_or(0);
    }
    Ok(saved)
}
