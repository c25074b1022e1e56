//! A program that `exec` is to run in a container, recorded from the request until some time after its end: each of
//! create, start, inspect and resize may come from another process.
//!
//! ```text
//! containers/<id>/programs/<exec id>.json   the record
//! containers/<id>/programs/<exec id>.sock   the socket of the process that holds its streams
//! ```

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::directory::{Containers, Entry};
use super::error::ContainerError;
use super::exec::ExecOptions;
use super::exec_ids::started;
use super::options::Attached;
use super::record::{read_json, write_json};
use super::state::Status;
use crate::base::io_error::AtPath;

const FOLDER: &str = "programs";

/// How long a record is kept after the program's end.
const MEMORY: SignedDuration = SignedDuration::from_mins(5);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecRecord {
    pub id: String,
    /// The container's ID.
    pub container: String,
    pub command: Vec<String>,
    pub environment: Vec<String>,
    pub user: Option<String>,
    pub directory: Option<String>,
    pub terminal: bool,
    pub privileged: bool,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub detach_keys: String,
    /// The terminal's initial rows and columns.
    pub size: Option<(u16, u16)>,
    pub pid: i32,
    /// The process's start time, because PIDs are reused.
    pub started: String,
    pub exit_code: Option<i32>,
    pub finished_at: Option<Timestamp>,
}

impl ExecRecord {
    /// Creates the record for a running container.
    pub fn create(mut self, entry: &Entry) -> Result<Self, ContainerError> {
        let name = || entry.record.plain_name().to_owned();
        match entry.state.status {
            Status::Running => {}
            Status::Paused => return Err(ContainerError::ExecPaused { name: name() }),
            Status::Restarting => return Err(ContainerError::Restarting { name: name() }),
            _ => return Err(ContainerError::NotRunning { name: name() }),
        }
        self.id = super::new_exec_id()?;
        self.container = entry.record.id.clone();
        let folder = entry.folder().join(FOLDER);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        forget_old(&folder);
        self.write(entry)?;
        self.tell(entry, "exec_create", &[]);
        Ok(self)
    }

    /// The program with that ID, and its container.
    pub fn find(containers: &Containers, id: &str) -> Result<(Entry, Self), ContainerError> {
        let missing = || ContainerError::NoExec { id: id.to_owned() };
        if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(missing());
        }
        for entry in containers.list()? {
            match read_json(&path(&entry, id)) {
                Err(error) if error.is_not_found() => {}
                record => return Ok((entry, record?)),
            }
        }
        Err(missing())
    }

    /// Whether its process is alive. (If it was killed with its container, no end was recorded.)
    pub fn is_running(&self) -> bool {
        self.exit_code.is_none() && self.pid != 0 && started(self.pid).is_some_and(|now| now == self.started)
    }

    pub fn has_begun(&self) -> bool {
        self.pid != 0 || self.exit_code.is_some()
    }

    pub fn attached(&self) -> Attached {
        Attached { stdin: self.stdin, stdout: self.stdout, stderr: self.stderr }
    }

    /// Sets the terminal's initial rows and columns.
    pub fn set_size(&self, entry: &Entry, size: (u16, u16)) -> Result<(), ContainerError> {
        Self { size: Some(size), ..self.clone() }.write(entry)
    }

    pub(super) fn write(&self, entry: &Entry) -> Result<(), ContainerError> {
        write_json(self, &path(entry, &self.id))
    }

    pub(super) fn options(&self) -> ExecOptions {
        ExecOptions {
            id: self.id.clone(),
            command: self.command.clone(),
            environment: self.environment.clone(),
            user: self.user.clone(),
            directory: self.directory.clone(),
            terminal: self.terminal,
            privileged: self.privileged,
        }
    }

    /// The name of its socket, in the folder [`Self::folder`].
    pub(super) fn socket(&self) -> String {
        format!("{}.sock", &self.id[..16])
    }

    pub(super) fn folder(entry: &Entry) -> PathBuf {
        entry.folder().join(FOLDER)
    }

    /// Reports an event; the action includes the program, a blank, and all its arguments.
    pub(super) fn tell(&self, entry: &Entry, action: &str, facts: &[(&str, &str)]) {
        let command = self.command.split_first().map(|(program, rest)| format!("{program} {}", rest.join(" ")));
        let action = match action {
            "exec_die" | "exec_detach" => action.to_owned(),
            action => format!("{action}: {}", command.unwrap_or_default()),
        };
        let facts: Vec<(&str, &str)> =
            [("execID", self.id.as_str())].into_iter().chain(facts.iter().copied()).collect();
        super::events::add(&entry.containers(), &entry.record, &action, &facts);
    }
}

fn path(entry: &Entry, id: &str) -> PathBuf {
    entry.folder().join(FOLDER).join(format!("{id}.json"))
}

/// Otherwise the records of a container with many `exec`s would accumulate.
fn forget_old(folder: &Path) {
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let record: Result<ExecRecord, _> = read_json(&file.path());
        let is_old = record
            .is_ok_and(|record| record.finished_at.is_some_and(|time| Timestamp::now().duration_since(time) > MEMORY));
        if is_old {
            // Another process may have removed it.
            let _ = std::fs::remove_file(file.path());
        }
    }
}
