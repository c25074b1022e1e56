//! What is kept of builds so that the next one can say why it executes a step: each step's inputs, lists of the files
//! it took, and reports of builds. The store does not interpret them, and no build needs them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use rusqlite::{OptionalExtension as _, Row, params};

use super::{Reader, Store, StoreError, now};
use crate::base::digest::{CacheKey, DiffId, ImageId};
use crate::base::io_error::AtPath;

/// The number of reports kept per project, and the number of records and bytes of lists in the store.
const REPORTS_OF_A_PROJECT: i64 = 50;
const MOST_REPORTS: i64 = 1_000;
const MOST_RECORDS: i64 = 20_000;
const MOST_LIST_BYTES: i64 = 64 << 20;

/// The identity of a build, by which the next one finds it for comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildName {
    /// A digest of the location of the Dockerfile and the context.
    pub project: [u8; 32],
    /// The variant: platform and target.
    pub variant: String,
    /// A digest of another identity, for a build that moves to another location.
    pub family: Option<[u8; 32]>,
}

/// A build that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRow {
    /// Its number.
    pub id: i64,
    /// What it made.
    pub image: Option<ImageId>,
    /// Seconds since 1970: when the build ran, and when it last ran again with nothing to do.
    pub at: i64,
    /// When it was last repeated without a change.
    pub repeated_at: i64,
    /// The concatenated cache keys of its steps.
    pub keys: Vec<u8>,
    /// What its steps did, as JSON.
    pub report: String,
}

/// What happened to a step's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// As far as is recorded, there never was one.
    Never,
    /// It was removed to make room.
    Evicted {
        /// The command.
        by: String,
        /// Seconds since 1970.
        at: i64,
    },
    /// It was written before a power loss, and not synced.
    Unsynced,
    /// The record is there, and its layer is not.
    LayerGone,
}

/// A file that names the last build; its mtime is the time of that build.
const LAST_BUILD: &str = "last-build";
const COLUMNS: &str = "id, image, at, repeated_at, keys, report";

fn build_row(row: &Row<'_>) -> rusqlite::Result<BuildRow> {
    Ok(BuildRow {
        id: row.get(0)?,
        image: row.get::<_, Option<[u8; 32]>>(1)?.map(ImageId::from_bytes),
        at: row.get(2)?,
        repeated_at: row.get(3)?,
        keys: row.get(4)?,
        report: row.get(5)?,
    })
}

impl Reader {
    /// What the step with this key was made from.
    pub fn step_record(&self, key: &CacheKey) -> Result<Option<String>, StoreError> {
        Ok(self
            .database()
            .prepare_cached("SELECT record FROM step_records WHERE key = ?1")?
            .query_row([key.as_bytes()], |row| row.get(0))
            .optional()?)
    }

    /// Why [`Store::cached`] has nothing for the key.
    pub fn why_not_cached(&self, key: &CacheKey) -> Result<Absence, StoreError> {
        let database = self.database();
        let cached: Option<(Option<String>, Option<Option<String>>)> = database
            .prepare_cached(
                "SELECT cache.boot, layers.diff_id IS NOT NULL, layers.boot FROM cache
                 LEFT JOIN layers ON layers.diff_id = cache.diff_id WHERE cache.key = ?1",
            )?
            .query_row([key.as_bytes()], |row| {
                let has_layer: bool = row.get(1)?;
                Ok((row.get(0)?, has_layer.then(|| row.get(2)).transpose()?))
            })
            .optional()?;
        let is_lost = |boot: &Option<String>| boot.as_ref().is_some_and(|boot| *boot != self.boot);
        if let Some((boot, layer)) = cached {
            let lost = is_lost(&boot) || layer.as_ref().is_some_and(is_lost);
            return Ok(if lost { Absence::Unsynced } else { Absence::LayerGone });
        }
        let evicted: Option<(Option<String>, Option<i64>)> = database
            .prepare_cached("SELECT evicted_by, evicted_at FROM step_records WHERE key = ?1")?
            .query_row([key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(match evicted {
            Some((Some(by), at)) => Absence::Evicted { by, at: at.unwrap_or(0) },
            Some((None, _)) => Absence::LayerGone,
            None => Absence::Never,
        })
    }

    /// Whether there is a list with that digest.
    pub fn has_file_list(&self, digest: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(self.database().prepare_cached("SELECT 1 FROM file_lists WHERE digest = ?1")?.exists([digest])?)
    }

    /// The list with that digest.
    pub fn file_list(&self, digest: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .database()
            .prepare_cached("SELECT list FROM file_lists WHERE digest = ?1")?
            .query_row([digest], |row| row.get(0))
            .optional()?)
    }

    /// The last build of the same project, preferably of the same variant; otherwise the last one of the same family.
    pub fn previous_build(&self, name: &BuildName) -> Result<Option<BuildRow>, StoreError> {
        let database = self.database();
        let same = database
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM builds WHERE project = ?1 ORDER BY variant = ?2 DESC, id DESC LIMIT 1"
            ))?
            .query_row(params![name.project, name.variant], build_row)
            .optional()?;
        if same.is_some() || name.family.is_none() {
            return Ok(same);
        }
        Ok(database
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM builds WHERE family = ?1 ORDER BY variant = ?2 DESC, id DESC LIMIT 1"
            ))?
            .query_row(params![name.family, name.variant], build_row)
            .optional()?)
    }

    /// The report of a build, if it is still there.
    pub fn build_report(&self, id: i64) -> Result<Option<String>, StoreError> {
        Ok(self
            .database()
            .prepare_cached("SELECT report FROM builds WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?)
    }

    /// The last build of all, or the last one that made the image.
    pub fn last_build(&self, image: Option<&ImageId>) -> Result<Option<BuildRow>, StoreError> {
        let database = self.database();
        let row = match image {
            Some(image) => database
                .prepare_cached(&format!("SELECT {COLUMNS} FROM builds WHERE image = ?1 ORDER BY id DESC LIMIT 1"))?
                .query_row([image.as_bytes()], build_row),
            None => {
                let (id, at) = self.noted_last_build().unwrap_or((i64::MAX, 0));
                database
                    .prepare_cached(&format!("SELECT {COLUMNS} FROM builds WHERE id <= ?1 ORDER BY id DESC LIMIT 1"))?
                    .query_row([id], |row| {
                        let row = build_row(row)?;
                        Ok(BuildRow { repeated_at: row.repeated_at.max(at), ..row })
                    })
            }
        };
        Ok(row.optional()?)
    }

    /// The row, and when it was last recorded.
    fn noted_last_build(&self) -> Option<(i64, i64)> {
        use std::os::unix::fs::MetadataExt as _;
        let path = self.root.join(LAST_BUILD);
        let id = std::fs::read_to_string(&path).ok()?.trim().parse().ok()?;
        Some((id, std::fs::metadata(&path).ok()?.mtime()))
    }
}

impl Store {
    /// Records the inputs of the step with this key.
    pub fn add_step_record(&self, key: &CacheKey, record: &str) -> Result<(), StoreError> {
        self.database()
            .prepare_cached("INSERT OR REPLACE INTO step_records (key, record, at) VALUES (?1, ?2, ?3)")?
            .execute(params![key.as_bytes(), record, now()])?;
        Ok(())
    }

    /// Records the same for another key.
    pub fn copy_step_record(&self, from: &CacheKey, to: &CacheKey) -> Result<(), StoreError> {
        self.database()
            .prepare_cached(
                "INSERT OR IGNORE INTO step_records (key, record, at) SELECT ?2, record, at FROM step_records WHERE key = ?1",
            )?
            .execute(params![from.as_bytes(), to.as_bytes()])?;
        Ok(())
    }

    /// Records who removes the results with this layer; called before the cache records are removed.
    pub fn note_eviction(&self, diff_id: &DiffId, by: &str) -> Result<(), StoreError> {
        self.database()
            .prepare_cached(
                "UPDATE step_records SET evicted_by = ?2, evicted_at = ?3
                 WHERE key IN (SELECT key FROM cache WHERE diff_id = ?1)",
            )?
            .execute(params![diff_id.as_bytes(), by, now()])?;
        Ok(())
    }

    /// Keeps a list of files.
    pub fn add_file_list(&self, digest: &[u8; 32], list: &[u8]) -> Result<(), StoreError> {
        self.database()
            .prepare_cached("INSERT OR REPLACE INTO file_lists (digest, list, at) VALUES (?1, ?2, ?3)")?
            .execute(params![digest, list, now()])?;
        Ok(())
    }

    /// Stores the report of a build, dropping the oldest one if the same project has too many.
    pub fn add_build(
        &self,
        name: &BuildName,
        image: Option<&ImageId>,
        keys: &[u8],
        report: &str,
    ) -> Result<i64, StoreError> {
        let mut database = self.database();
        let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction
            .prepare_cached(
                "INSERT INTO builds (project, variant, family, image, at, repeated_at, keys, report)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)",
            )?
            .execute(params![
                name.project,
                name.variant,
                name.family,
                image.map(ImageId::as_bytes),
                now(),
                keys,
                report
            ])?;
        let id = transaction.last_insert_rowid();
        transaction
            .prepare_cached(
                "DELETE FROM builds WHERE project = ?1 AND id <=
                 (SELECT id FROM builds WHERE project = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![name.project, REPORTS_OF_A_PROJECT])?;
        transaction.commit()?;
        Ok(id)
    }

    /// Records that the build ran again and found nothing to do.
    pub fn repeat_build(&self, id: i64) -> Result<(), StoreError> {
        self.database()
            .prepare_cached("UPDATE builds SET repeated_at = ?2 WHERE id = ?1")?
            .execute(params![id, now()])?;
        Ok(())
    }

    /// Records that this was the last build of all: in a file, which costs almost nothing.
    pub fn note_last_build(&self, id: i64) -> Result<(), StoreError> {
        let path = self.root.join(LAST_BUILD);
        let file = File::options().create(true).truncate(false).write(true).open(&path).at("open", &path)?;
        file.write_all_at(format!("{id:020}\n").as_bytes(), 0).at("write", &path)?;
        Ok(())
    }

    /// Drops the oldest records beyond what is useful.
    pub fn trim_explanations(&self) -> Result<(), StoreError> {
        let mut database = self.database();
        let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute(
            "DELETE FROM builds WHERE id <= (SELECT id FROM builds ORDER BY id DESC LIMIT 1 OFFSET ?1)",
            [MOST_REPORTS],
        )?;
        transaction.execute(
            "DELETE FROM step_records WHERE at < (SELECT at FROM step_records ORDER BY at DESC LIMIT 1 OFFSET ?1)",
            [MOST_RECORDS],
        )?;
        transaction.execute(
            "DELETE FROM file_lists WHERE rowid IN (SELECT rowid FROM
             (SELECT rowid, sum(length(list)) OVER (ORDER BY at DESC, rowid DESC) AS total FROM file_lists)
             WHERE total > ?1)",
            [MOST_LIST_BYTES],
        )?;
        transaction.commit()?;
        Ok(())
    }
}
