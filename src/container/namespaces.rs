//! `--pid`, `--ipc`, `--uts` and `--cgroupns` → whose namespaces the sandbox is to use.

use super::directory::Containers;
use super::error::ContainerError;
use super::host_config::HostConfig;
use crate::container::sandbox::{Namespace, Namespaces};

/// Whether those are there whose processes or whose memory it is to share: a container can't be made without them.
pub(super) fn check(host: &HostConfig, containers: &Containers) -> Result<(), ContainerError> {
    let modes = [&host.pid_mode, &host.ipc_mode];
    modes.into_iter().filter_map(|mode| mode.strip_prefix("container:")).try_for_each(|name| {
        containers.find(name)?;
        Ok(())
    })
}

pub(super) fn of(host: &HostConfig, containers: &Containers) -> Result<Namespaces, ContainerError> {
    let one = |mode: &str, what: &'static str| -> Result<Namespace, ContainerError> {
        let Some(name) = mode.strip_prefix("container:") else {
            return Ok(if mode == "host" { Namespace::Host } else { Namespace::Own });
        };
        let other = containers.find(name)?;
        match other.state.pid {
            0 => Err(ContainerError::PartnerNotRunning { what, name: other.record.plain_name().to_owned() }),
            _ if what == "IPC" && other.record.host_config.ipc_mode == "private" => {
                Err(ContainerError::PrivateIpc { name: other.record.plain_name().to_owned() })
            }
            pid => Ok(Namespace::OfProcess(pid)),
        }
    };
    Ok(Namespaces {
        pid: one(&host.pid_mode, "PID")?,
        ipc: one(&host.ipc_mode, "IPC")?,
        uts: one(&host.uts_mode, "UTS")?,
        cgroup: one(&host.cgroupns_mode, "cgroup")?,
        without_shm: host.ipc_mode == "none",
    })
}
