//! How a container is isolated from the host.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::capability::CapabilitySet;
use super::os_bytes;
use super::remapped::RemappedUsers;
use super::seccomp::Seccomp;

/// The mount namespace is always the container's own. The defaults are docker's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Isolation {
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    #[serde(skip)]
    pub network: NetworkIsolation,
    pub namespaces: Namespaces,
    /// The container's user namespace, if it is not the host's.
    #[serde(skip)]
    pub users: Option<Arc<RemappedUsers>>,
    pub capabilities: CapabilitySet,
    #[serde(skip)]
    pub seccomp: Seccomp,
    /// No program gains privileges through setuid bits or file capabilities.
    pub no_new_privileges: bool,
    /// All capabilities, all devices, nothing masked or read-only, no seccomp filter.
    pub privileged: bool,
    pub read_only_root: bool,
    /// Nothing in `/proc` and `/sys` is masked or read-only.
    pub system_paths_shown: bool,
    /// The AppArmor profile of the program.
    pub apparmor: Option<String>,
    /// Whether it reaches the host's abstract sockets if it is on the host's network.
    pub reaches_sockets: bool,
    /// In addition to those of every container.
    pub devices: Vec<DeviceNode>,
    /// The size of `/dev/shm` in bytes.
    pub shm_size: u64,
    /// Sysctls of the container's own namespaces, by name (`net.core.somaxconn`).
    pub sysctls: BTreeMap<String, String>,
    /// Default sysctls: if they can't be set, they are left alone.
    pub usual_sysctls: BTreeMap<String, String>,
    pub limits: Limits,
    /// Create a cgroup even without limits, if possible, so that the container can be measured and frozen at once.
    pub own_cgroup: bool,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            hostname: None,
            domainname: None,
            network: NetworkIsolation::Empty,
            namespaces: Namespaces::default(),
            users: None,
            capabilities: CapabilitySet::default(),
            seccomp: Seccomp::Default,
            no_new_privileges: false,
            privileged: false,
            read_only_root: false,
            system_paths_shown: false,
            apparmor: None,
            reaches_sockets: false,
            devices: Vec::new(),
            shm_size: 64 << 20,
            sysctls: BTreeMap::new(),
            usual_sysctls: BTreeMap::new(),
            limits: Limits::default(),
            own_cgroup: false,
        }
    }
}

impl Isolation {
    /// Whether device nodes that the program creates can be opened: everything is allowed, or a cgroup decides.
    pub(super) fn opens_devices(&self) -> bool {
        self.privileged || !self.limits.device_rules.is_empty()
    }

    /// The network namespace to join; `None` for a new one, and for the host's.
    pub(super) fn joined_network(&self) -> Option<&OwnedFd> {
        match (&self.network, &self.users) {
            (NetworkIsolation::Namespace(namespace), _) => Some(namespace),
            (NetworkIsolation::Empty, Some(users)) => Some(&users.network),
            (NetworkIsolation::Empty, None) | (NetworkIsolation::Host, _) => None,
        }
    }

    /// Whether to keep the program from abstract sockets outside of the container.
    pub(super) fn scopes_sockets(&self) -> bool {
        let shares_hosts = match &self.network {
            NetworkIsolation::Host => true,
            NetworkIsolation::Namespace(namespace) => is_own_network(namespace),
            NetworkIsolation::Empty => false,
        };
        shares_hosts
            && !self.privileged
            && !self.reaches_sockets
            && !traces_host(self.namespaces.pid, self.capabilities)
    }
}

/// Whether the program may trace all processes of the host. It is as powerful as root then, and Landlock, which would
/// prevent tracing, is of no use.
pub(super) fn traces_host(processes: Namespace, capabilities: CapabilitySet) -> bool {
    processes == Namespace::Host && capabilities.contains("SYS_PTRACE")
}

/// Whether a network namespace is this process's own.
fn is_own_network(namespace: &impl AsFd) -> bool {
    let own = rustix::fs::stat("/proc/self/ns/net").map(|stat| (stat.st_dev, stat.st_ino));
    own.is_ok() && rustix::fs::fstat(namespace).map(|stat| (stat.st_dev, stat.st_ino)) == own
}

/// The namespaces of the container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    pub pid: Namespace,
    /// Includes `/dev/shm` and `/dev/mqueue`.
    pub ipc: Namespace,
    pub uts: Namespace,
    pub cgroup: Namespace,
    /// There is no `/dev/shm`.
    pub without_shm: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Namespace {
    #[default]
    Own,
    Host,
    /// The namespace of a process of another container; its PID on the host.
    OfProcess(i32),
}

/// A device that the container may open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// On the host.
    #[serde(with = "os_bytes")]
    pub host: PathBuf,
    /// In the container.
    #[serde(with = "os_bytes")]
    pub path: PathBuf,
}

#[derive(Debug, Clone, Default)]
pub enum NetworkIsolation {
    /// A network namespace with nothing but a loopback interface.
    #[default]
    Empty,
    /// The host's network.
    Host,
    /// An existing network namespace, which may be shared by several containers.
    Namespace(Arc<OwnedFd>),
}

/// Limits that a cgroup enforces. `None` costs nothing; a limit that can't be enforced is an error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes of memory plus swap, as docker counts them; `u64::MAX` for unlimited swap.
    pub memory_and_swap: Option<u64>,
    /// The soft limit in bytes, when the host is short of memory.
    pub memory_reservation: Option<u64>,
    /// Microseconds of CPU time per `cpu_period`.
    pub cpu_quota: Option<u64>,
    /// Microseconds; 100,000 by default.
    pub cpu_period: Option<u64>,
    /// 2 to 262,144; 1,024 is a container's fair share.
    pub cpu_shares: Option<u64>,
    /// CPUs, such as `0-2,4`.
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    pub pids: Option<u64>,
    /// 10 to 1,000.
    pub blkio_weight: Option<u16>,
    /// By device: `8:0`.
    pub blkio_weight_devices: Vec<(String, u16)>,
    pub throttles: Vec<Throttle>,
    /// 0 to 100; only in cgroup v1, as are the next three.
    pub memory_swappiness: Option<u64>,
    pub oom_kill_disabled: bool,
    /// Microseconds.
    pub cpu_realtime_period: Option<u64>,
    /// Microseconds.
    pub cpu_realtime_runtime: Option<i64>,
    /// The allowed device accesses, such as `c 42:* rwm`; all others are denied. Empty for no restriction.
    pub device_rules: Vec<String>,
    /// The parent cgroup, such as `/builds`.
    pub parent: Option<String>,
}

/// A limit of a block device's read or write rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// `8:0`
    pub device: String,
    pub kind: ThrottleKind,
    /// Bytes or operations per second.
    pub rate: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThrottleKind {
    ReadBytes,
    WriteBytes,
    ReadOperations,
    WriteOperations,
}

impl Limits {
    /// Whether no cgroup is needed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
