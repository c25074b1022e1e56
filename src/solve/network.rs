//! The network of a `RUN`, and the files that tell the program of it.

use crate::plan::NetworkMode;
use crate::sandbox::{Mount, MountSource, NetworkIsolation};

use super::error::StepError;
use super::settings::Solver;

pub(super) struct Prepared {
    pub isolation: NetworkIsolation,
    /// `/etc/hosts` and `/etc/resolv.conf`.
    pub mounts: Vec<Mount>,
}

pub(super) fn prepare(solver: &Solver<'_>, mode: NetworkMode, hostname: &str) -> Result<Prepared, StepError> {
    let isolation = match mode {
        NetworkMode::None => NetworkIsolation::Empty,
        NetworkMode::Host | NetworkMode::Default => NetworkIsolation::Host,
    };
    let mut hosts = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in &solver.run.extra_hosts {
        hosts.push_str(&format!("{address}\t{name}\n"));
    }
    let resolv = std::fs::read("/etc/resolv.conf").unwrap_or_default();
    let file = |target: &str, content: Vec<u8>| Mount {
        target: target.into(),
        source: MountSource::File { content, mode: 0o644, uid: 0, gid: 0 },
        read_only: false,
    };
    let mounts = vec![file("/etc/hosts", hosts.into_bytes()), file("/etc/resolv.conf", resolv)];
    Ok(Prepared { isolation, mounts })
}
