//! The network of `RUN` steps: one namespace with a way out for all of a build, made when a step first needs it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::network::{Hosts, NameServers, NetworkError, NetworkNamespace};
use crate::plan::NetworkMode;
use crate::sandbox::{Mount, MountSource, NetworkIsolation};

use super::error::StepError;
use super::settings::Solver;

/// The build's network, once a step has needed it.
pub struct BuildNetwork {
    /// A folder that the rbuild processes of this machine share.
    state: PathBuf,
    rootless: bool,
    namespace: Mutex<Option<NetworkNamespace>>,
}

/// What a sandbox needs to know of its network.
pub(super) struct Prepared {
    pub isolation: NetworkIsolation,
    /// `/etc/hosts` and `/etc/resolv.conf`.
    pub mounts: Vec<Mount>,
}

impl BuildNetwork {
    /// `rootless`: this process is root of a user namespace only.
    pub fn new(state: PathBuf, rootless: bool) -> Self {
        Self { state, rootless, namespace: Mutex::new(None) }
    }

    /// The namespace for the next step, and what `host-gateway` stands for in it.
    fn join(&self) -> Result<(NetworkIsolation, Option<IpAddr>), NetworkError> {
        let mut namespace = self.namespace.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let made = match namespace.take() {
            Some(made) => made,
            None => NetworkNamespace::create(&self.state, self.rootless)?,
        };
        let joined = NetworkIsolation::Namespace(made.descriptor());
        let gateway = made.host_gateway().map(IpAddr::from);
        *namespace = Some(made);
        Ok((joined, gateway))
    }
}

pub(super) fn prepare(solver: &Solver<'_>, mode: NetworkMode, hostname: &str) -> Result<Prepared, StepError> {
    let (isolation, host_gateway) = match mode {
        NetworkMode::None => (NetworkIsolation::Empty, None),
        NetworkMode::Host => (NetworkIsolation::Host, Some(IpAddr::from([127, 0, 0, 1]))),
        NetworkMode::Default => solver.network.join()?,
    };
    let added = solver.run.extra_hosts.iter().map(|(name, address)| format!("{name}={address}")).collect();
    let own = Some((IpAddr::from([127, 0, 0, 1]), hostname.to_owned()));
    let hosts = Hosts { own, added, host_gateway }.file()?;
    let servers = NameServers::default().file(mode == NetworkMode::Host)?;
    let mounts = vec![file("/etc/hosts", hosts), file("/etc/resolv.conf", servers)];
    Ok(Prepared { isolation, mounts })
}

fn file(target: &str, content: String) -> Mount {
    let source = MountSource::File { content: content.into_bytes(), mode: 0o644, uid: 0, gid: 0 };
    Mount { target: target.into(), source, read_only: false }
}
