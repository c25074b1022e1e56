//! How a container is kept apart from the host.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::capability::CapabilitySet;
use super::seccomp::Seccomp;

/// Mount, pid, ipc, uts and cgroup namespaces are always the container's own. The default is docker's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Isolation {
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    #[serde(skip)]
    pub network: NetworkIsolation,
    pub capabilities: CapabilitySet,
    #[serde(skip)]
    pub seccomp: Seccomp,
    /// No program gains privileges by its setuid bits or file capabilities.
    pub no_new_privileges: bool,
    /// All capabilities, all devices, nothing masked or read-only, no seccomp filter.
    pub privileged: bool,
    pub read_only_root: bool,
    /// Of `/dev/shm`, in bytes.
    pub shm_size: u64,
    /// Kernel parameters of the container's own namespaces, by name (`net.core.somaxconn`).
    pub sysctls: BTreeMap<String, String>,
    pub limits: Limits,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            hostname: None,
            domainname: None,
            network: NetworkIsolation::Empty,
            capabilities: CapabilitySet::default(),
            seccomp: Seccomp::Default,
            no_new_privileges: false,
            privileged: false,
            read_only_root: false,
            shm_size: 64 << 20,
            sysctls: BTreeMap::new(),
            limits: Limits::default(),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub enum NetworkIsolation {
    /// A network namespace with nothing but a loopback interface.
    #[default]
    Empty,
    /// The host's network.
    Host,
    /// A network namespace made before, which may serve several containers.
    Namespace(Arc<OwnedFd>),
}

/// Limits that a cgroup enforces. What is `None` costs nothing; what is set and can't be enforced is an error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together, as docker counts them; `u64::MAX` for unlimited swap.
    pub memory_and_swap: Option<u64>,
    /// Bytes under which the memory is squeezed when the host is short of it.
    pub memory_reservation: Option<u64>,
    /// Microseconds of processor time per `cpu_period`.
    pub cpu_quota: Option<u64>,
    /// Microseconds; 100,000 without it.
    pub cpu_period: Option<u64>,
    /// 2 to 262,144; 1,024 is a container's fair share.
    pub cpu_shares: Option<u64>,
    /// Processors, such as `0-2,4`.
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    pub pids: Option<u64>,
    /// 10 to 1,000.
    pub blkio_weight: Option<u16>,
    /// The cgroup to be under, such as `/builds`.
    pub parent: Option<String>,
}

impl Limits {
    /// Whether a cgroup is needed at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
