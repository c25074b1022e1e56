//! What a container is asked to be, over what its image says.

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
    /// Instead of the image's; an empty one stands for none.
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=VALUE`, or `NAME` to take a variable of the image away.
    pub environment: Vec<String>,
    pub user: Option<String>,
    pub directory: Option<String>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// `80/tcp`, beside the image's.
    pub exposed_ports: BTreeSet<String>,
    pub terminal: bool,
    /// The program has an input that can be written to (`-i`).
    pub open_stdin: bool,
    /// What `run` passes on: input, output, errors. None of them for `-d`.
    pub attach: Attached,
    /// The input ends when the first who was attached to it leaves.
    pub stdin_once: bool,
    pub stop_signal: Option<String>,
    /// Seconds.
    pub stop_timeout: Option<i64>,
    /// Fields that are zero or empty are the image's.
    pub healthcheck: Option<Healthcheck>,
    pub host: HostConfig,
    /// All that is to be mounted. Volumes without a name that nothing is put at are added when it is made: the image's,
    /// and these.
    pub mounts: Vec<MountPoint>,
    pub volumes: BTreeSet<String>,
    /// By name; the first of the networks is `host.network_mode`.
    pub networks: BTreeMap<String, EndpointConfig>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attached {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}
