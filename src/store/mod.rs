//! Everything that rbuild stores: content-addressed blobs, unpacked layers, images, tags and cache records.
//!
//! Several processes share one store. Files are written under `tmp/` and renamed into place; a file under its final
//! name is complete. The SQLite database (WAL) lists what exists; a record is written after the file it refers to.
//!
//! ```text
//! blobs/sha256/<hex>    manifests, configs, layers as received or compressed here
//! layers/<hex>/         one layer, unpacked, under its diffID; or its delta to a base layer
//! containers/<id>/      owned by `container`
//! contexts/<hex>        stat caches, owned by `context`
//! downloads/            files from http(s), owned by `context`
//! checkouts/<hex>/      git repositories at one commit
//! caches/<hex>/         contents of `RUN --mount=type=cache`
//! copies/<hex>          which files a copy put into which layer, and saved hash states of it, owned by `solve`
//! outlines/<hex>        layers without their contents, owned by `snapshot`
//! leases                byte locks that say which process uses what
//! locks/<hex>           taken while a step or a layer is being made
//! events.log            what happened
//! debug/<name>/         what steps of a build left behind, for debugging; owned by `engine::debug`
//! history/              the history of builds: a journal, and logs; owned by `engine::history`
//! tmp/<name>/           what is being written; its lock ends with its writer
//! last-build            names the report of the last build
//! boot, synced          the boot in which the store was checked, and the last complete sync
//! store.db              images, tags, layers, cache records, and explanations of builds
//! ```
//!
//! A layer need not be local to be known: `sources` says where it can be fetched, and a [`LayerOrigin`] that the caller
//! supplies fetches it when its content is needed.
//!
//! Must not know the network, Dockerfiles or how a step runs. Hops 7, 9 and 11 of a build.

mod blobs;
mod build_cache;
mod cache;
mod check;
mod compressed;
mod durability;
mod events;
mod explanations;
mod fetch;
mod find;
mod history;
mod images;
mod kept_steps;
mod layers;
mod leases;
mod locks;
mod outlines;
mod ownership;
mod recorded;
mod removal;
mod schema;
#[doc(hidden)]
pub mod snapshot;
mod sources;
mod staging;
mod tags;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::base::io_error::{AtPath, IoError};

pub use blobs::BlobWriter;
pub(crate) use build_cache::{CacheContent, CacheItem, Eviction};
pub(crate) use check::{LayerRow, NamedBlob, damaged_database};
pub(crate) use compressed::CompressedCopy;
pub use durability::{SYNC_COMMAND, sync_in_background};
pub(crate) use events::{Event, Events};
pub(crate) use explanations::{Absence, BuildName, BuildRow};
pub use fetch::{Download, FetchError, LayerOrigin, OriginError, Sizes, Taken};
pub use find::{FindImageError, FoundImage};
pub(crate) use history::History;
pub use images::ImageRecord;
pub(crate) use kept_steps::KeptSteps;
pub use layers::{LayerBlob, LayerRecord};
pub use locks::Lock;
pub(crate) use ownership::{NotOwn, claim, look_at};
pub(crate) use recorded::{begin_recording, records_owners};
pub use sources::{LayerClaim, RemoteBlob, StepLayer};
pub use staging::Staging;
pub use tags::Tag;
pub use usage::{Usage, disk_usage};

/// How long a process waits for another process's database transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum StoreError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    NotOwn(#[from] NotOwn),
    #[error("the store's database failed")]
    Database(#[from] rusqlite::Error),
    #[error("the store was written by a newer rbuild (format {found}, this one knows {known})")]
    NewerStore { found: i64, known: i64 },
    #[error("blob {expected} is wrong: its content is {actual}")]
    WrongDigest { expected: BlobDigest, actual: BlobDigest },
    #[error("blob {digest} has {size} bytes, more than the {limit} that are allowed here")]
    BlobTooLarge { digest: BlobDigest, size: u64, limit: u64 },
    #[error("layer {0} is not in the store")]
    NoLayer(DiffId),
    #[error("layer {} cannot be fetched", .0.diff_id)]
    Fetch(#[source] Box<FetchError>),
    #[error("image {0} is not in the store")]
    NoImage(ImageId),
}

impl StoreError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        let error = match self {
            Self::NotOwn(error) => return Some(error.hint()),
            Self::Database(error) => error,
            _ => return None,
        };
        match error.sqlite_error_code()? {
            rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase => {
                Some("the database is damaged: `rbuild system check --repair` makes a new one of what can be read")
            }
            rusqlite::ErrorCode::DiskFull => Some("the disk is full: free some space and try again"),
            _ => None,
        }
    }
}

/// An open store, as whoever only looks has it: nothing that can be done with it changes what the store holds. What is
/// looked at is leased, so that it stays.
pub struct Reader {
    root: PathBuf,
    database: Mutex<Connection>,
    boot: String,
    leases: leases::Leases,
    /// Layers that were found here: they are leased, so they stay.
    present: Mutex<HashMap<DiffId, LayerRecord>>,
}

/// An open store that can be written to: names, records and blobs, which are files of its owner. Layers have files of
/// many owners; what adds one wants [`Rights`](crate::base::rights::Rights), too.
pub struct Store {
    reader: Reader,
    /// Images that this process has added, with their manifests: it holds everything that they need.
    added: Mutex<HashMap<ImageId, Option<BlobDigest>>>,
    /// Fetches layers that are not local.
    origin: RwLock<Option<Arc<dyn LayerOrigin>>>,
}

impl std::ops::Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Reader {
    /// The folder that holds the store; absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of downloaded files, if there is one.
    pub fn downloads_so_far(&self) -> Result<Option<PathBuf>, StoreError> {
        self.hold_folder("downloads")?;
        Ok(Some(self.root.join("downloads")).filter(|path| path.is_dir()))
    }

    fn present(&self) -> MutexGuard<'_, HashMap<DiffId, LayerRecord>> {
        self.present.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        // A panic in another thread cannot leave a transaction open: rusqlite rolls back on drop.
        self.database.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Store {
    /// Opens the store at `root`, creating it if there is none. It is private to its owner: see [`claim`].
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        ownership::claim_once(root)?;
        for folder in ["blobs/sha256", "layers", "contexts", "locks", "tmp"] {
            let path = root.join(folder);
            if !path.is_dir() {
                std::fs::create_dir_all(&path).at("create", &path)?;
            }
        }
        // Absolute, because sandboxes and other working directories use its paths too.
        let root = std::fs::canonicalize(root).at("open", root)?;
        let layout = root.join("oci-layout");
        if !layout.exists() {
            std::fs::write(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#).at("write", &layout)?;
        }
        let path = root.join("store.db");
        let is_new = !path.exists();
        let mut database = Connection::open(path)?;
        database.busy_timeout(BUSY_TIMEOUT)?;
        database.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;")?;
        // The process that closes it last would wait for the disk. The log is kept, and written back during a sync.
        database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        schema::prepare(&mut database)?;
        // A transaction that reads first and then writes would fail if another process wrote in between.
        database.set_transaction_behavior(TransactionBehavior::Immediate);
        let reader = Reader {
            root,
            database: Mutex::new(database),
            boot: durability::boot_id()?,
            leases: leases::Leases::default(),
            present: Mutex::default(),
        };
        let store = Self { reader, added: Mutex::default(), origin: RwLock::default() };
        if is_new {
            store.note_boot()?;
        }
        store.remove_dead_staging();
        Ok(store)
    }

    /// The folder of downloaded files, created if missing; owned by `context`.
    pub fn downloads(&self) -> Result<PathBuf, StoreError> {
        self.hold_folder("downloads")?;
        let path = self.root.join("downloads");
        std::fs::create_dir_all(&path).at("create", &path)?;
        Ok(path)
    }

    /// The folder of lists of what was copied, created if missing; owned by `solve`.
    pub fn copies(&self) -> Result<PathBuf, StoreError> {
        let path = self.root.join("copies");
        std::fs::create_dir_all(&path).at("create", &path)?;
        Ok(path)
    }

    fn added(&self) -> MutexGuard<'_, HashMap<ImageId, Option<BlobDigest>>> {
        self.added.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs() as i64)
}
