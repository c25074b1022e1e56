//! The programs that `exec` runs in a container: one file each, named by its ID, which holds its process ID.
//!
//! A file outlives its program if nobody waited for that. So the process is identified by its PID and start time,
//! because PIDs are reused.

use std::path::{Path, PathBuf};

use super::directory::Entry;
use super::error::ContainerError;
use crate::base::hex;
use crate::base::io_error::AtPath;

const FOLDER: &str = "exec";

/// A running program. Its file is removed on drop.
#[derive(Debug)]
pub(super) struct ExecId(Option<PathBuf>);

impl ExecId {
    /// Records that the process runs in the container of that folder. On a full disk, the program is just not listed.
    pub(super) fn new(folder: &Path, pid: i32, id: &str) -> Self {
        let folder = folder.join(FOLDER);
        let write = || -> std::io::Result<PathBuf> {
            std::fs::create_dir_all(&folder)?;
            let path = folder.join(id);
            std::fs::write(&path, format!("{pid} {}", started(pid).unwrap_or_default()))?;
            Ok(path)
        };
        Self(write().ok())
    }

    /// Leaves the file to whoever finds that the program has ended.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for ExecId {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It may be gone already with its container.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A new exec ID.
pub fn new_exec_id() -> Result<String, ContainerError> {
    Ok(hex::random_id().at("read", "the random numbers")?)
}

/// The IDs of the programs that `exec` currently runs in a container.
pub fn exec_ids(entry: &Entry) -> Vec<String> {
    let mut ids = Vec::new();
    for file in std::fs::read_dir(entry.folder().join(FOLDER)).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        let is_it = text
            .split_once(' ')
            .is_some_and(|(pid, time)| pid.parse().ok().and_then(started).is_some_and(|started| started == time));
        match file.file_name().into_string() {
            Ok(id) if is_it => ids.push(id),
            // An empty file is being written.
            _ if !text.is_empty() => drop(std::fs::remove_file(file.path())),
            _ => {}
        }
    }
    ids.sort();
    ids
}

/// The start time of a process, in clock ticks since boot (proc_pid_stat(5), field 22).
pub(super) fn started(pid: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = std::process::id() as i32;
        assert_eq!(started(own), started(own));
        assert!(started(own).is_some() && started(0).is_none());
    }
}
