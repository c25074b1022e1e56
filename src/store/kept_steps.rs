//! What steps of builds left behind, for debugging: a folder for each build, with a record that the store does not
//! interpret, and a folder of changes for each step that can be entered. It makes no build faster, so it is removed
//! before everything that does.
//!
//! ```text
//! debug/<project>-<build>/record     how to enter the steps
//! debug/<project>-<build>/lock       held while a process is in one of them, or removes them
//! debug/<project>-<build>/boot       the boot in which it was written to, until that is synced
//! debug/<project>-<build>/step-<n>/  what was changed in that one
//! ```

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Store, StoreError};
use crate::base::io_error::AtPath as _;

pub(super) const FOLDER: &str = "debug";
const RECORD: &str = "record";
const LOCK: &str = "lock";
const BOOT: &str = "boot";

/// How many builds of one project are kept, and how many in all.
const OF_A_PROJECT: usize = 3;
const MOST: usize = 64;
/// With less free space than this, or than a tenth of the disk, nothing is kept.
const LEAST_FREE: u64 = 1 << 30;

/// The steps of a build, for exclusive use.
#[derive(Debug)]
pub struct KeptSteps {
    path: PathBuf,
    boot: String,
    _lock: File,
}

impl KeptSteps {
    /// The record of how to enter them.
    pub fn record(&self) -> Result<Vec<u8>, StoreError> {
        let path = self.path.join(RECORD);
        Ok(std::fs::read(&path).at("read", &path)?)
    }

    /// The folder of a step's changes, and whether it has any yet.
    pub fn changes(&self, step: usize) -> Result<(PathBuf, bool), StoreError> {
        mark(&self.path, &self.boot)?;
        let path = self.path.join(format!("step-{step}"));
        let is_there = path.exists();
        if !is_there {
            std::fs::create_dir(&path).at("create", &path)?;
        }
        Ok((path, is_there))
    }
}

impl Store {
    /// Moves a step's changes here, and keeps them, unless the disk is nearly full. `build` consists of letters, digits
    /// and dashes.
    pub fn keep_step(&self, build: &str, step: usize, changes: &Path) -> Result<(), StoreError> {
        if self.is_nearly_full()? {
            return Ok(());
        }
        let folder = self.folder_of_kept(build)?;
        let path = folder.join(format!("step-{step}"));
        Ok(std::fs::rename(changes, &path).at("rename", changes)?)
    }

    /// Keeps the record of the build's steps, and forgets older builds of its project.
    pub fn keep_steps_record(&self, build: &str, record: &[u8]) -> Result<(), StoreError> {
        let folder = self.folder_of_kept(build)?;
        let (new, path) = (folder.join("record.new"), folder.join(RECORD));
        let mut file = File::create(&new).at("create", &new)?;
        file.write_all(record).at("write", &new)?;
        std::fs::rename(&new, &path).at("rename", &new)?;
        self.trim_kept_steps(build)
    }

    /// The builds whose steps are kept, newest first.
    pub fn kept_steps(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(FOLDER)).into_iter().flatten().flatten();
        let mut found: Vec<((i64, i64), String)> = entries
            .filter_map(|entry| {
                let status = std::fs::metadata(entry.path().join(RECORD)).ok()?;
                Some(((status.mtime(), status.mtime_nsec()), entry.file_name().into_string().ok()?))
            })
            .collect();
        found.sort_unstable_by(|left, right| right.cmp(left));
        found.into_iter().map(|(_, name)| name).collect()
    }

    /// The steps of a build; `None` if there are none, or if another process is in one of them.
    pub fn open_kept_steps(&self, build: &str) -> Result<Option<KeptSteps>, StoreError> {
        let path = self.root.join(FOLDER).join(build);
        let lock = path.join(LOCK);
        let lock = match File::options().create(true).truncate(false).write(true).open(&lock) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.at("open", &lock)?,
        };
        Ok(lock.try_lock().is_ok().then(|| KeptSteps { path, boot: self.boot.clone(), _lock: lock }))
    }

    /// False if another process is in one of them.
    pub fn remove_kept_steps(&self, build: &str) -> Result<bool, StoreError> {
        let Some(kept) = self.open_kept_steps(build)? else { return Ok(false) };
        self.discard(&kept.path).map(|()| true)
    }

    /// Builds whose steps were not synced when the machine went down.
    pub fn unsynced_steps(&self) -> Vec<String> {
        let marks = self.marks().into_iter().filter(|(_, _, boot)| *boot != self.boot);
        marks.map(|(name, ..)| name).collect()
    }

    /// The builds whose steps were written to in this boot, for `end_to_sync_steps`.
    pub(super) fn begin_to_sync_steps(&self) -> Vec<(String, SystemTime)> {
        let marks = self.marks().into_iter().filter(|(_, _, boot)| *boot == self.boot);
        marks.map(|(name, time, _)| (name, time)).collect()
    }

    /// Removes the marks, except where steps were written to since the sync began.
    pub(super) fn end_to_sync_steps(&self, begun: &[(String, SystemTime)]) {
        for (name, ..) in self.marks().into_iter().filter(|(name, time, _)| begun.contains(&(name.clone(), *time))) {
            // A mark that stays only means less trust.
            let _ = std::fs::remove_file(self.root.join(FOLDER).join(name).join(BOOT));
        }
    }

    /// Builds with a mark, the time of the mark, and its boot.
    fn marks(&self) -> Vec<(String, SystemTime, String)> {
        let entries = std::fs::read_dir(self.root.join(FOLDER)).into_iter().flatten().flatten();
        let mark = |entry: std::fs::DirEntry| {
            let path = entry.path().join(BOOT);
            let time = std::fs::metadata(&path).and_then(|status| status.modified()).ok()?;
            Some((entry.file_name().into_string().ok()?, time, std::fs::read_to_string(&path).ok()?))
        };
        entries.filter_map(mark).collect()
    }

    /// Debugging data must not be the reason why the next build fails.
    fn is_nearly_full(&self) -> Result<bool, StoreError> {
        let status = rustix::fs::statvfs(&self.root).at("look up the filesystem of", &self.root)?;
        let (free, all) = (status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize);
        Ok(free < LEAST_FREE.min(all / 10))
    }

    fn folder_of_kept(&self, build: &str) -> Result<PathBuf, StoreError> {
        let folder = self.root.join(FOLDER).join(build);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        mark(&folder, &self.boot)?;
        Ok(folder)
    }

    fn trim_kept_steps(&self, build: &str) -> Result<(), StoreError> {
        let project = |name: &str| name.split('-').next().unwrap_or_default().to_owned();
        let own = project(build);
        let mut seen = 0;
        for (place, name) in self.kept_steps().iter().enumerate() {
            seen += usize::from(project(name) == own);
            if place >= MOST || (project(name) == own && seen > OF_A_PROJECT) {
                self.remove_kept_steps(name)?;
            }
        }
        Ok(())
    }
}

fn mark(folder: &Path, boot: &str) -> Result<(), StoreError> {
    let path = folder.join(BOOT);
    Ok(std::fs::write(&path, boot).at("write", &path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_keeps_a_few_builds_and_whoever_is_in_one_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let keep = |name: &str| {
            let changes = folder.path().join(name);
            std::fs::create_dir(&changes).unwrap();
            store.keep_step(name, 2, &changes).unwrap();
            store.keep_steps_record(name, name.as_bytes()).unwrap();
        };
        keep("a-0");
        let inside = store.open_kept_steps("a-0").unwrap().unwrap();
        assert_eq!(inside.record().unwrap(), b"a-0");
        assert!(inside.changes(2).unwrap().1 && !inside.changes(3).unwrap().1);
        assert!(store.open_kept_steps("a-0").unwrap().is_none(), "another shell is open in it");
        for name in ["a-1", "b-1", "a-2", "a-3", "a-4"] {
            keep(name);
        }
        let mut kept = store.kept_steps();
        kept.sort();
        assert_eq!(kept, ["a-0", "a-2", "a-3", "a-4", "b-1"]);
        drop(inside);
        keep("a-5");
        assert!(!store.kept_steps().contains(&"a-0".to_owned()));
        assert!(store.open_kept_steps("none").unwrap().is_none());
    }

    #[test]
    fn what_is_synced_is_marked_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        for name in ["a-0", "a-1", "a-2"] {
            store.keep_steps_record(name, b"{}").unwrap();
        }
        std::fs::write(store.root.join("debug/a-2/boot"), "an earlier one").unwrap();
        assert_eq!(store.unsynced_steps(), ["a-2"]);
        let begun = store.begin_to_sync_steps();
        assert_eq!(begun.len(), 2);
        // Somebody has looked into it while the disk was busy.
        store.open_kept_steps("a-1").unwrap().unwrap().changes(1).unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(9);
        File::options().write(true).open(store.root.join("debug/a-1/boot")).unwrap().set_modified(later).unwrap();
        store.end_to_sync_steps(&begun);
        let marked = |name: &str| store.root.join("debug").join(name).join(BOOT).exists();
        assert_eq!((marked("a-0"), marked("a-1"), marked("a-2")), (false, true, true));
        store.sync().unwrap();
        assert_eq!((marked("a-1"), marked("a-2")), (false, true));
    }
}
