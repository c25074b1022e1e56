//! `--pid`, `--ipc`, `--uts` and `--cgroupns` → the namespaces that the sandbox uses.

use super::directory::{Containers, Entry};
use super::error::ContainerError;
use super::host_config::{HostConfig, IpcMode, NamespaceMode};
use crate::container::sandbox::{Namespace, Namespaces};

/// Checks that the containers exist whose processes or shared memory it joins; otherwise it can't be created.
pub(super) fn check(host: &HostConfig, containers: &Containers) -> Result<(), ContainerError> {
    let mut joined = host.pid_mode.container().into_iter().chain(host.ipc_mode.container());
    joined.try_for_each(|name| containers.find(name).map(drop))
}

pub(super) fn of(host: &HostConfig, containers: &Containers) -> Result<Namespaces, ContainerError> {
    let partner = |name: &str, what| -> Result<Entry, ContainerError> {
        let other = containers.find(name)?;
        match other.state.pid {
            0 => Err(ContainerError::PartnerNotRunning { what, name: other.record.plain_name().to_owned() }),
            _ => Ok(other),
        }
    };
    let one = |mode: &NamespaceMode, what| -> Result<Namespace, ContainerError> {
        Ok(match mode {
            NamespaceMode::Own => Namespace::Own,
            NamespaceMode::Host => Namespace::Host,
            NamespaceMode::Container(name) => Namespace::OfProcess(partner(name, what)?.state.pid),
        })
    };
    let ipc = match &host.ipc_mode {
        IpcMode::Private | IpcMode::Shareable | IpcMode::None => Namespace::Own,
        IpcMode::Host => Namespace::Host,
        IpcMode::Container(name) => {
            let other = partner(name, "IPC")?;
            if other.record.host_config.ipc_mode == IpcMode::Private {
                return Err(ContainerError::PrivateIpc { name: other.record.plain_name().to_owned() });
            }
            Namespace::OfProcess(other.state.pid)
        }
    };
    Ok(Namespaces {
        pid: one(&host.pid_mode, "PID")?,
        ipc,
        uts: one(&host.uts_mode, "UTS")?,
        cgroup: one(&host.cgroupns_mode, "cgroup")?,
        without_shm: host.ipc_mode == IpcMode::None,
    })
}
