//! The network of `RUN` steps: a namespace that all steps of a build share, made when a step first needs it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once};

use crate::base::io_error::AtPath;
use crate::container::network::{self, Connection, FreshNamespace, Hosts, NameServers, Place};
use crate::container::sandbox::{self, IdRanges, Level, Mount, MountSource, NetworkIsolation, RemappedUsers, Without};
use crate::language::plan::{NetworkMode, Part};

use super::error::StepError;
use super::progress::Progress;
use super::settings::{JoinedNetwork, Solver};

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// The build's network, once a step has needed it.
pub struct BuildNetwork {
    store_root: PathBuf,
    rootless: bool,
    connection: Mutex<Option<Made>>,
    without_apparmor: Once,
    less_isolation: Once,
    /// What programs lack, as far as the user was told.
    without: Mutex<Vec<Without>>,
}

struct Made {
    connection: Way,
    /// The owner of the namespace, if steps have remapped users.
    users: Option<Arc<RemappedUsers>>,
}

/// How steps reach the network.
enum Way {
    Usual(Connection),
    /// An existing network.
    Made(Arc<Place>),
}

/// The network that a step joins.
struct Joined {
    isolation: NetworkIsolation,
    users: Option<Arc<RemappedUsers>>,
    /// The address of `host-gateway` in it.
    host_gateway: Option<IpAddr>,
    /// Its own `/etc/resolv.conf`, if it resolves names of containers.
    resolv_conf: Option<String>,
}

/// The sandbox's network settings.
pub(super) struct Prepared {
    pub isolation: NetworkIsolation,
    /// The program's users, if they are not the host's.
    pub users: Option<Arc<RemappedUsers>>,
    /// `/etc/hosts` and `/etc/resolv.conf`.
    pub mounts: Vec<Mount>,
}

impl BuildNetwork {
    /// `rootless`: this process is root only in a user namespace.
    pub fn new(store_root: PathBuf, rootless: bool) -> Self {
        Self {
            store_root,
            rootless,
            connection: Mutex::new(None),
            without_apparmor: Once::new(),
            less_isolation: Once::new(),
            without: Mutex::default(),
        }
    }

    /// For messages that apply to all RUN steps of a build.
    pub(super) fn say_once(&self, say: impl FnOnce()) {
        self.without_apparmor.call_once(say);
    }

    /// Warns once that programs are less isolated than usual, and why.
    pub(super) fn say_level(&self, level: Level, progress: &dyn Progress) {
        self.less_isolation.call_once(|| {
            let warning = sandbox::less_isolated("steps are", level);
            progress.warn(&format!("{warning}; docs/isolation.md says what that means"));
        });
    }

    /// Warns of what programs lack, once each.
    pub(super) fn say_without(&self, what: &[Without], progress: &dyn Progress) {
        let mut said = self.without.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for one in what {
            if !said.contains(one) {
                said.push(*one);
                progress.warn(one.explanation());
            }
        }
    }

    /// The namespace for the next step.
    fn join(&self, solver: &Solver<'_>) -> Result<Joined, StepError> {
        let mut connection = self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let made = match connection.take() {
            Some(made) => made,
            None => {
                let users = users(solver.run.users.as_ref())?;
                // Remapped users could not use a namespace of the host.
                let fresh = users.as_ref().map(|users| -> Result<FreshNamespace, StepError> {
                    Ok(FreshNamespace::of(users.network().at("copy", "a network namespace")?)?)
                });
                let made = self.make(solver, fresh.transpose()?)?;
                if let Some(warning) = made.warning() {
                    solver.progress.warn(&warning);
                }
                Made { connection: made, users }
            }
        };
        let (isolation, host_gateway) = match &made.connection {
            Way::Usual(Connection::Own(namespace)) => {
                (NetworkIsolation::Namespace(namespace.descriptor()), namespace.host_gateway())
            }
            Way::Usual(Connection::HostInstead { .. }) => (NetworkIsolation::Host, Some(LOOPBACK)),
            Way::Made(place) => (place.isolation(), place.host_gateway()),
        };
        let resolv_conf = match &made.connection {
            Way::Made(place) => Some(place.resolv_conf()?),
            Way::Usual(_) => None,
        };
        let users = made.users.clone();
        *connection = Some(made);
        Ok(Joined { isolation, users, host_gateway, resolv_conf })
    }

    fn make(&self, solver: &Solver<'_>, fresh: Option<FreshNamespace>) -> Result<Way, StepError> {
        Ok(match &solver.run.joined {
            None => Way::Usual(network::connect(&self.store_root, self.rootless, fresh)?),
            Some(JoinedNetwork::Opened(place)) => Way::Made(Arc::clone(place)),
            Some(JoinedNetwork::Named(name)) => {
                Way::Made(Arc::new(Place::join(&self.store_root, self.rootless, name, fresh)?))
            }
        })
    }
}

impl Way {
    fn warning(&self) -> Option<String> {
        match self {
            Self::Usual(connection) => connection.warning(),
            Self::Made(place) => place.warning(),
        }
    }
}

fn users(ids: Option<&IdRanges>) -> Result<Option<Arc<RemappedUsers>>, StepError> {
    Ok(ids.map(|ids| RemappedUsers::make(ids.clone())).transpose()?.map(Arc::new))
}

pub(super) fn prepare(
    solver: &Solver<'_>,
    (mode, level): (NetworkMode, Level),
    hostname: &str,
) -> Result<Prepared, StepError> {
    let ids = solver.run.users.as_ref();
    let alone = |isolation, users, host_gateway| Joined { isolation, users, host_gateway, resolv_conf: None };
    let Joined { isolation, users, host_gateway, resolv_conf } = match mode {
        _ if !level.has_namespaces() && ids.is_none() => alone(without_namespaces(mode), None, Some(LOOPBACK)),
        NetworkMode::None => alone(NetworkIsolation::Empty, users(ids)?, None),
        NetworkMode::Host if ids.is_some() => {
            return Err(StepError::Remapped { what: "the host's network" }.about(Part::Network));
        }
        NetworkMode::Host => alone(NetworkIsolation::Host, None, Some(LOOPBACK)),
        NetworkMode::Default => solver.network.join(solver)?,
    };
    let added = solver.run.extra_hosts.iter().map(|(name, address)| format!("{name}={address}")).collect();
    let hosts = Hosts { own: Vec::new(), added, host_gateway }.file_of_run(hostname)?;
    let servers = resolv_conf.map_or_else(|| NameServers::default().file(mode == NetworkMode::Host), Ok)?;
    let mounts = vec![file("/etc/hosts", hosts), file("/etc/resolv.conf", servers)];
    Ok(Prepared { isolation, users, mounts })
}

/// What a program gets instead of its own network.
fn without_namespaces(mode: NetworkMode) -> NetworkIsolation {
    if mode == NetworkMode::None { NetworkIsolation::Empty } else { NetworkIsolation::Host }
}

fn file(target: &str, content: String) -> Mount {
    let source = MountSource::File { content: content.into_bytes(), mode: 0o644, uid: 0, gid: 0, is_program: false };
    Mount { target: target.into(), source, read_only: false, shallow: false, lasting: false }
}
