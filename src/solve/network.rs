//! The network of `RUN` steps: one namespace with a way out for all of a build, made when a step first needs it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::network::{self, Connection, Hosts, NameServers, NetworkError};
use crate::plan::NetworkMode;
use crate::sandbox::{Mount, MountSource, NetworkIsolation};

use super::error::StepError;
use super::progress::Progress;
use super::settings::Solver;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// The build's network, once a step has needed it.
pub struct BuildNetwork {
    store_root: PathBuf,
    rootless: bool,
    connection: Mutex<Option<Connection>>,
}

/// What a sandbox needs to know of its network.
pub(super) struct Prepared {
    pub isolation: NetworkIsolation,
    /// `/etc/hosts` and `/etc/resolv.conf`.
    pub mounts: Vec<Mount>,
}

impl BuildNetwork {
    /// `rootless`: this process is root of a user namespace only.
    pub fn new(store_root: PathBuf, rootless: bool) -> Self {
        Self { store_root, rootless, connection: Mutex::new(None) }
    }

    /// The namespace for the next step, and what `host-gateway` stands for in it.
    fn join(&self, progress: &dyn Progress) -> Result<(NetworkIsolation, Option<IpAddr>), NetworkError> {
        let mut connection = self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let made = match connection.take() {
            Some(made) => made,
            None => {
                let made = network::connect(&self.store_root, self.rootless)?;
                if let Some(warning) = made.warning() {
                    progress.warn(&warning);
                }
                made
            }
        };
        let joined = match &made {
            Connection::Own(namespace) => {
                (NetworkIsolation::Namespace(namespace.descriptor()), namespace.host_gateway())
            }
            Connection::HostInstead { .. } => (NetworkIsolation::Host, Some(LOOPBACK)),
        };
        *connection = Some(made);
        Ok(joined)
    }
}

pub(super) fn prepare(solver: &Solver<'_>, mode: NetworkMode, hostname: &str) -> Result<Prepared, StepError> {
    let (isolation, host_gateway) = match mode {
        NetworkMode::None => (NetworkIsolation::Empty, None),
        NetworkMode::Host => (NetworkIsolation::Host, Some(LOOPBACK)),
        NetworkMode::Default => solver.network.join(solver.progress)?,
    };
    let added = solver.run.extra_hosts.iter().map(|(name, address)| format!("{name}={address}")).collect();
    let own = vec![(LOOPBACK, hostname.to_owned())];
    let hosts = Hosts { own, added, host_gateway }.file()?;
    let servers = NameServers::default().file(mode == NetworkMode::Host)?;
    let mounts = vec![file("/etc/hosts", hosts), file("/etc/resolv.conf", servers)];
    Ok(Prepared { isolation, mounts })
}

fn file(target: &str, content: String) -> Mount {
    let source = MountSource::File { content: content.into_bytes(), mode: 0o644, uid: 0, gid: 0 };
    Mount { target: target.into(), source, read_only: false, shallow: false }
}
