//! How a container runs or ended (`state.json`): written only by its monitor, read by everyone.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::ContainerError;
use super::record::{NetworkSettings, read_json, write_json};
use crate::container::sandbox::CreatedMountPoint;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct State {
    pub status: Status,
    pub exit_code: u8,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    pub error: String,
    /// The program's PID on the host; 0 if there is none.
    pub pid: i32,
    pub monitor_pid: i32,
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: Option<jiff::Timestamp>,
    pub restart_count: u32,
    /// A user stopped it: `unless-stopped` does not restart it.
    pub stopped_by_user: bool,
    pub health: Option<Health>,
    /// The folders of its cgroups.
    pub cgroups: Vec<String>,
    /// The AppArmor profile that confines it.
    #[serde(rename = "AppArmorProfile")]
    pub apparmor: String,
    pub network: NetworkSettings,
    /// The mount points that had to be created in the root filesystem, which are no changes of the container's.
    pub mount_points: Vec<CreatedMountPoint>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub enum Status {
    #[default]
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

/// docker's `State.Health`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct Health {
    pub status: HealthStatus,
    pub failing_streak: u32,
    /// The last five results.
    pub log: Vec<HealthResult>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub enum HealthStatus {
    #[default]
    Starting,
    Healthy,
    Unhealthy,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct HealthResult {
    pub start: jiff::Timestamp,
    pub end: jiff::Timestamp,
    pub exit_code: i32,
    pub output: String,
}

impl Status {
    /// docker's name of the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Whether this is true only while there is a monitor.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

impl HealthStatus {
    /// Docker's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl State {
    /// A container that was never started has no state file.
    pub(super) fn read(path: &Path) -> Result<Self, ContainerError> {
        match read_json(path) {
            Err(error) if error.is_not_found() => Ok(Self::default()),
            state => state,
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), ContainerError> {
        write_json(self, path)
    }

    /// The actual state if there is no monitor, whatever the file says: a killed monitor could not record the end, and
    /// its container was killed with it.
    pub(super) fn without_monitor(mut self) -> Self {
        if self.status.is_alive() {
            self.status = Status::Exited;
            self.exit_code = 137;
            self.pid = 0;
            self.network.clear();
        }
        self
    }
}
