//! What a container is asked to be, over what its image says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::network::{NameServers, Network};
use crate::sandbox::{CapabilitySet, Limits, ResourceLimit, Seccomp, TmpfsOptions};

#[derive(Debug, Clone, Default)]
pub struct ContainerOptions {
    pub name: Option<String>,
    /// Instead of the image's command.
    pub command: Vec<String>,
    /// Instead of the image's; an empty one stands for none.
    pub entrypoint: Option<String>,
    /// `NAME=VALUE`, or `NAME` to take a variable of the image away.
    pub environment: Vec<String>,
    pub user: Option<String>,
    pub groups: Vec<String>,
    pub directory: Option<String>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub mounts: Vec<VolumeMount>,
    pub network: NetworkOptions,
    pub terminal: bool,
    pub interactive: bool,
    pub remove: bool,
    pub init: bool,
    pub read_only: bool,
    pub privileged: bool,
    pub capabilities: CapabilitySet,
    pub seccomp: Seccomp,
    pub no_new_privileges: bool,
    pub shm_size: Option<u64>,
    pub sysctls: BTreeMap<String, String>,
    pub resource_limits: Vec<ResourceLimit>,
    pub limits: Limits,
    pub oom_score_adjust: Option<i32>,
    pub stop_signal: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct NetworkOptions {
    pub network: Network,
    pub name_servers: NameServers,
    /// `NAME:IP`
    pub hosts: Vec<String>,
}

/// Something of the user's at a place in the container.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeMount {
    /// Absolute.
    pub target: PathBuf,
    pub source: VolumeSource,
    pub read_only: bool,
}

#[derive(Debug, Clone)]
pub enum VolumeSource {
    /// A file or folder of the host.
    Bind {
        path: PathBuf,
        /// Makes a folder when there is nothing (`-v` does, `--mount` does not).
        create: bool,
        recursive: bool,
    },
    Tmpfs(TmpfsOptions),
    /// A folder of the container's own, which begins with what the image has there.
    Anonymous,
}

impl PartialEq for VolumeSource {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
