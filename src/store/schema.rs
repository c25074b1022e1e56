//! The database's tables, and their migration from older versions.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::StoreError;

/// The migration to each version from the one before; the first one creates the tables. A released migration is never
/// changed.
const MIGRATIONS: &[&str] = &[FIRST_TABLES, INDEX_TAGS, LAYERS_ELSEWHERE, EXPLANATIONS, STACKED_LAYERS];
const VERSION: i64 = MIGRATIONS.len() as i64;

/// Tags that mean several images, and annotations.
const INDEX_TAGS: &str = "
ALTER TABLE tags ADD COLUMN annotations TEXT; -- JSON that only those who write manifests understand

CREATE TABLE variants (             -- all images of a tag that is an index; tags.image is one of them
    name          TEXT NOT NULL REFERENCES tags(name) ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    image         BLOB NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    PRIMARY KEY (name, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX variants_image ON variants(image);
";

/// Layers that are known but perhaps not local.
const LAYERS_ELSEWHERE: &str = "
CREATE TABLE layer_sources (        -- blobs that could be fetched
    diff_id       BLOB NOT NULL,
    digest        BLOB NOT NULL,
    source        TEXT NOT NULL,    -- where from; only the origin understands it
    size          INTEGER NOT NULL,
    media_type    TEXT NOT NULL,
    seen_at       INTEGER NOT NULL, -- seconds since 1970
    PRIMARY KEY (diff_id, digest, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE layer_claims (         -- what a cache says of layers that a step made elsewhere
    diff_id       BLOB PRIMARY KEY,
    tree          BLOB NOT NULL,
    stream_size   INTEGER NOT NULL, -- as in layers
    content_size  INTEGER NOT NULL, -- as in layers
    made_at       INTEGER NOT NULL  -- as in layers
) STRICT, WITHOUT ROWID;
";

/// Layers stored as a delta to another one.
const STACKED_LAYERS: &str = "
ALTER TABLE layers ADD COLUMN base BLOB; -- the layer whose folder is below its own; NULL for one that is whole
CREATE INDEX layers_base ON layers(base);
";

/// Explanations of builds.
const EXPLANATIONS: &str = "
CREATE TABLE step_records (         -- what the step with this key was made from
    key           BLOB PRIMARY KEY,
    record        TEXT NOT NULL,    -- JSON that only those who explain understand
    at            INTEGER NOT NULL,
    evicted_by    TEXT,             -- who removed its result from the cache
    evicted_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX step_records_at ON step_records(at);

CREATE TABLE file_lists (           -- what a copy took, under the digest that is in its cache key
    digest        BLOB PRIMARY KEY,
    list          BLOB NOT NULL,
    at            INTEGER NOT NULL
) STRICT;

CREATE TABLE builds (
    id            INTEGER PRIMARY KEY,
    project       BLOB NOT NULL,    -- where Dockerfile and context are
    variant       TEXT NOT NULL,    -- platform and target
    family        BLOB,             -- what else it is known by
    image         BLOB,
    at            INTEGER NOT NULL,
    repeated_at   INTEGER NOT NULL, -- when it was last done again with nothing to do
    keys          BLOB NOT NULL,    -- the cache keys of all steps
    report        TEXT NOT NULL     -- JSON
) STRICT;
CREATE INDEX builds_project ON builds(project, id);
CREATE INDEX builds_family ON builds(family, id);
CREATE INDEX builds_image ON builds(image, id);
CREATE INDEX cache_diff_id ON cache(diff_id);
";

const FIRST_TABLES: &str = "
CREATE TABLE images (
    id            BLOB PRIMARY KEY,
    manifest      BLOB,             -- digest of the manifest it was pulled or loaded with
    added_at      INTEGER NOT NULL  -- seconds since 1970
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (
    name          TEXT PRIMARY KEY, -- full reference: docker.io/library/cat:1.0
    image         BLOB NOT NULL REFERENCES images(id),
    set_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_image ON tags(image);

CREATE TABLE layers (
    diff_id       BLOB PRIMARY KEY,
    tree          BLOB,             -- tree digest; only of layers that a step made
    stream_size   INTEGER NOT NULL, -- bytes of the uncompressed tar stream
    content_size  INTEGER NOT NULL, -- bytes of the files' contents
    made_at       INTEGER NOT NULL, -- seconds since 1970
    built         INTEGER NOT NULL, -- 1: a step made it, its stream can be made again; 0: unpacked from a blob
    boot          TEXT              -- the boot it was written in; NULL once it is synced
) STRICT, WITHOUT ROWID;

CREATE TABLE layer_blobs (
    diff_id       BLOB NOT NULL,
    digest        BLOB NOT NULL,
    size          INTEGER NOT NULL,
    media_type    TEXT NOT NULL,
    stream_size   INTEGER NOT NULL, -- as in layers
    content_size  INTEGER NOT NULL, -- as in layers
    PRIMARY KEY (diff_id, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE cache (
    key           BLOB PRIMARY KEY,
    diff_id       BLOB NOT NULL,
    used_at       INTEGER NOT NULL, -- seconds since 1970
    boot          TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE trees (
    parent        BLOB NOT NULL,    -- digest of the stack of layers below
    tree          BLOB NOT NULL,
    diff_id       BLOB NOT NULL,
    PRIMARY KEY (parent, tree)
) STRICT, WITHOUT ROWID;
";

/// Migrates the database to this program's version, or checks that this program supports its version.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let known = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found..));
    let missing = known.ok_or(StoreError::NewerStore { found, known: VERSION })?;
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// The tables and indexes that differ from this program's: SQLite accepts a corrupted name in their definitions.
pub(super) fn changes(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut whole = Connection::open_in_memory()?;
    prepare(&mut whole)?;
    let (actual, mut expected) = (definitions(connection)?, definitions(&whole)?);
    let mut changed: Vec<String> = actual
        .into_iter()
        .filter(|(name, sql)| expected.remove(name).as_ref() != Some(sql))
        .map(|(name, _)| name)
        .collect();
    changed.extend(expected.into_keys());
    changed.dedup();
    Ok(changed)
}

/// Each by name, without comments and white space.
fn definitions(connection: &Connection) -> Result<BTreeMap<String, String>, StoreError> {
    // Corrupted bytes may not be valid text.
    let mut statement = connection
        .prepare("SELECT CAST(name AS BLOB), CAST(coalesce(sql, '') || type || tbl_name AS BLOB) FROM sqlite_schema")?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let rows = statement.query_map([], |row| Ok((text(row.get(0)?), text(row.get(1)?))))?;
    let bare = |sql: &str| -> String {
        let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        lines.flat_map(str::split_whitespace).collect()
    };
    rows.map(|row| row.map(|(name, sql)| (name, bare(&sql)))).collect::<Result<_, _>>().map_err(StoreError::from)
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_store_keeps_what_it_has() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(FIRST_TABLES).unwrap();
        connection.execute_batch("INSERT INTO images VALUES (x'01', NULL, 7); PRAGMA user_version = 1;").unwrap();
        connection.execute("INSERT INTO tags VALUES ('a', x'01', 8)", []).unwrap();
        prepare(&mut connection).unwrap();
        assert_eq!(version(&connection).unwrap(), VERSION);
        let kept: (String, i64, Option<String>) = connection
            .query_row("SELECT name, set_at, annotations FROM tags", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        assert_eq!(kept, ("a".to_owned(), 8, None));
        prepare(&mut connection).unwrap();
    }

    #[test]
    fn a_changed_definition_is_named() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(FIRST_TABLES).unwrap();
        connection.execute_batch("PRAGMA user_version = 1").unwrap();
        prepare(&mut connection).unwrap();
        assert_eq!(changes(&connection).unwrap(), [""; 0]);
        connection.execute_batch("ALTER TABLE trees RENAME COLUMN parent TO qarent; DROP INDEX layers_base").unwrap();
        assert_eq!(changes(&connection).unwrap(), ["trees", "layers_base"]);
    }

    #[test]
    fn a_newer_store_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(matches!(prepare(&mut connection), Err(StoreError::NewerStore { found, .. }) if found == VERSION + 1));
    }
}
