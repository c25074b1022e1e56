//! What survives a power loss. Nothing waits for the disk: a record names the boot in which it was written, and is
//! trusted at once in that boot. After the files are synced, this mark is removed, and the record is trusted
//! permanently.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::{Connection, params};

use super::{Reader, Store, StoreError, now};
use crate::base::identity::{self, Identity};
use crate::base::io_error::{AtPath, IoError};

/// An ID of the current boot (proc_sys_kernel(5), `random/boot_id`).
pub(super) fn boot_id() -> Result<String, IoError> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    Ok(std::fs::read_to_string(PATH).at("read", PATH)?.trim().to_owned())
}

/// Names the boot in which the leftovers of the previous one were checked.
const BOOT: &str = "boot";
/// The start time of the last completed sync: everything written before that second is on the disk.
const SYNCED: &str = "synced";

impl Reader {
    /// Whether nobody has checked, in this boot, what may have been lost when the machine went down.
    pub fn is_new_to_boot(&self) -> bool {
        std::fs::read_to_string(self.root.join(BOOT)).map_or(true, |noted| noted != self.boot)
    }

    /// Everything written before this second (since 1970) is on the disk, if the clock was right.
    pub fn synced_until(&self) -> i64 {
        let noted = std::fs::read_to_string(self.root.join(SYNCED));
        noted.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

impl Store {
    /// Records that the check was done.
    pub fn note_boot(&self) -> Result<(), StoreError> {
        let path = self.root.join(BOOT);
        Ok(std::fs::write(&path, &self.boot).at("write", &path)?)
    }

    /// Syncs the store to the disk, and trusts its records from then on, whatever happens to the machine.
    pub fn sync(&self) -> Result<(), StoreError> {
        let began = now();
        // Only records that exist before the sync may lose their mark after it.
        let (layers, keys) = {
            let database = self.database();
            let mut layers = database.prepare_cached("SELECT diff_id FROM layers WHERE boot = ?1")?;
            let layers: Vec<[u8; 32]> = layers.query_map([&self.boot], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let mut keys = database.prepare_cached("SELECT key FROM cache WHERE boot = ?1")?;
            let keys: Vec<[u8; 32]> = keys.query_map([&self.boot], |row| row.get(0))?.collect::<Result<_, _>>()?;
            (layers, keys)
        };
        let steps = self.begin_to_sync_steps();
        let directory = File::open(&self.root).at("open", &self.root)?;
        rustix::fs::syncfs(&directory).at("sync", &self.root)?;
        // A sync takes seconds on a busy machine. If the store was removed meanwhile, nothing of it must reappear.
        if !self.root.join("store.db").exists() {
            return Ok(());
        }
        let mut database = self.database();
        let transaction = database.transaction()?;
        for diff_id in layers {
            transaction.execute("UPDATE layers SET boot = NULL WHERE diff_id = ?1", params![diff_id])?;
        }
        for key in keys {
            transaction.execute("UPDATE cache SET boot = NULL WHERE key = ?1", params![key])?;
        }
        transaction.commit()?;
        self.end_to_sync_steps(&steps);
        let path = self.root.join(SYNCED);
        std::fs::write(&path, began.to_string()).at("write", &path)?;
        write_back_log(&database, &self.root)
    }
}

/// Truncates SQLite's log once it is long enough to slow down opening the store.
fn write_back_log(database: &Connection, root: &Path) -> Result<(), StoreError> {
    const LONG: u64 = 512 << 10;
    let log = std::fs::metadata(root.join("store.db-wal"));
    if log.is_ok_and(|log| log.len() > LONG) {
        // Other processes may be reading it; it is tried again after the next build.
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

/// The hidden command that `sync_in_background` runs.
pub const SYNC_COMMAND: &str = "__sync-store";

/// Starts a process that syncs the store at `root` and ends; does not wait for it.
///
/// `limit` is the store's size limit, as the user typed it.
pub fn sync_in_background(root: &Path, limit: Option<u64>) -> Result<(), StoreError> {
    let program = identity::program().at("find", "rbuild itself")?;
    let mut child = Command::new(program)
        .arg0(Identity::Sync.name())
        .arg("--root")
        .arg(root)
        .args(limit.map(|bytes| format!("--max-store={bytes}")))
        .arg(SYNC_COMMAND)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .at("start", program)?;
    // If this process lives on, the child would otherwise remain as a zombie.
    std::thread::spawn(move || child.wait());
    Ok(())
}
