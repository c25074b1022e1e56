//! The user's options for a new container, which override its image's config.

use std::collections::{BTreeMap, BTreeSet};

use super::host_config::HostConfig;
use super::mounts::MountPoint;
use super::record::EndpointConfig;
use crate::image::Healthcheck;

/// A container that is to be made.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ContainerOptions {
    /// Its name; one is made up where there is none.
    pub name: Option<String>,
    /// Instead of the image's command.
    pub command: Vec<String>,
    /// Instead of the image's; an empty list means none.
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=VALUE`, or `NAME` to unset a variable of the image.
    pub environment: Vec<String>,
    /// Who runs the program.
    pub user: Option<String>,
    /// Where it is run.
    pub directory: Option<String>,
    /// The machine's name.
    pub hostname: Option<String>,
    /// The machine's domain.
    pub domainname: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `80/tcp`; in addition to the image's.
    pub exposed_ports: BTreeSet<String>,
    /// Whether the program has a terminal.
    pub terminal: bool,
    /// The program's stdin is open for writing (`-i`).
    pub open_stdin: bool,
    /// The streams that `run` forwards: stdin, stdout, stderr. None for `-d`.
    pub attach: Attached,
    /// Close stdin when the first attached client detaches.
    pub stdin_once: bool,
    /// The signal that stops it.
    pub stop_signal: Option<String>,
    /// Seconds.
    pub stop_timeout: Option<i64>,
    /// Fields that are zero or empty are taken from the image.
    pub healthcheck: Option<Healthcheck>,
    /// What it uses of its host.
    pub host: HostConfig,
    /// All explicit mounts. Anonymous volumes, the image's and those in `volumes`, are added at creation, unless
    /// something else is mounted there.
    pub mounts: Vec<MountPoint>,
    /// Volumes without a name.
    pub volumes: BTreeSet<String>,
    /// By name; `host.network_mode` names the first of them.
    pub networks: BTreeMap<String, EndpointConfig>,
}

/// Which streams a client has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attached {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}
