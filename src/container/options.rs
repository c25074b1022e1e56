//! The user's options for a new container, which override its image's config.

use std::collections::{BTreeMap, BTreeSet};

use super::host_config::HostConfig;
use super::mounts::MountPoint;
use super::record::EndpointConfig;
use crate::image::Healthcheck;

#[derive(Debug, Clone, Default)]
pub struct ContainerOptions {
    pub name: Option<String>,
    /// Instead of the image's command.
    pub command: Vec<String>,
    /// Instead of the image's; an empty list means none.
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=VALUE`, or `NAME` to unset a variable of the image.
    pub environment: Vec<String>,
    pub user: Option<String>,
    pub directory: Option<String>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// `80/tcp`; in addition to the image's.
    pub exposed_ports: BTreeSet<String>,
    pub terminal: bool,
    /// The program's stdin is open for writing (`-i`).
    pub open_stdin: bool,
    /// The streams that `run` forwards: stdin, stdout, stderr. None for `-d`.
    pub attach: Attached,
    /// Close stdin when the first attached client detaches.
    pub stdin_once: bool,
    pub stop_signal: Option<String>,
    /// Seconds.
    pub stop_timeout: Option<i64>,
    /// Fields that are zero or empty are taken from the image.
    pub healthcheck: Option<Healthcheck>,
    pub host: HostConfig,
    /// All explicit mounts. Anonymous volumes, the image's and those in `volumes`, are added at creation, unless
    /// something else is mounted there.
    pub mounts: Vec<MountPoint>,
    pub volumes: BTreeSet<String>,
    /// By name; `host.network_mode` names the first of them.
    pub networks: BTreeMap<String, EndpointConfig>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attached {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}
