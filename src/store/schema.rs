//! The database's tables, and how an older one is brought up to date.

use rusqlite::Connection;

use super::StoreError;

/// Raised with every change of `CREATE_TABLES`.
const VERSION: i64 = 1;

const CREATE_TABLES: &str = "
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

/// Creates the tables of a new database, or checks that this program knows the version that is there.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found == VERSION {
        return Ok(());
    }
    if found > VERSION {
        return Err(StoreError::NewerStore { found, known: VERSION });
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found == 0 {
        transaction.execute_batch(CREATE_TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}
