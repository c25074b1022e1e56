//! `--pid`, `--ipc`, `--uts`, `--userns`, `--cgroupns`: the namespaces of a container.

use crate::cli::CliError;
use crate::container::sandbox::{IdRanges, UsersMode};
use crate::container::{HostConfig, IpcMode, NamespaceMode, NetworkMode};

pub(super) fn pid(text: Option<&str>) -> Result<NamespaceMode, CliError> {
    let mode = NamespaceMode::of_processes(text.unwrap_or_default());
    mode.ok_or_else(|| CliError::new("--pid: invalid PID mode"))
}

pub(super) fn ipc(text: Option<&str>) -> Result<IpcMode, CliError> {
    let word = text.unwrap_or_default();
    IpcMode::of(word).ok_or_else(|| CliError::new(format!("invalid IPC mode: {word}")))
}

pub(super) fn cgroup(text: Option<&str>) -> Result<NamespaceMode, CliError> {
    let mode = NamespaceMode::of_cgroups(text.unwrap_or_default());
    mode.ok_or_else(|| CliError::new("--cgroupns: invalid CGROUP mode"))
}

/// The container's or the host's.
pub(super) fn uts(text: Option<&str>) -> Result<NamespaceMode, CliError> {
    let mode = NamespaceMode::of_names(text.unwrap_or_default());
    mode.ok_or_else(|| CliError::new("--uts: invalid UTS mode"))
}

/// The host's users, or subordinate ones, which must exist.
pub(super) fn users(text: Option<&str>) -> Result<UsersMode, CliError> {
    let mode: UsersMode = text.unwrap_or_default().parse().map_err(CliError::of_unsupported)?;
    mode.ranges().map_err(CliError::of_unsupported)?;
    Ok(mode)
}

/// The host's user IDs for a build's programs.
pub(in crate::cli) fn user_ranges(text: Option<&str>) -> Result<Option<IdRanges>, CliError> {
    let mode: UsersMode = text.unwrap_or_default().parse().map_err(CliError::of_unsupported)?;
    mode.ranges().map_err(CliError::of_unsupported)
}

/// Refuses what docker refuses, in its words, for containers with remapped users, and what rbuild does not support.
pub(super) fn check_users(host: &HostConfig) -> Result<(), CliError> {
    if !host.users.is_remap() {
        return Ok(());
    }
    let refused = if host.privileged {
        "privileged mode is incompatible with user namespaces: use --userns=host with it"
    } else if host.network_mode == NetworkMode::Host {
        "cannot share the host's network namespace when user namespaces are enabled"
    } else if host.pid_mode == NamespaceMode::Host {
        "cannot share the host PID namespace when user namespaces are enabled"
    } else if !host.runtime.is_empty() {
        "--userns=remap is for rbuild's own runtime: leave out --runtime"
    } else {
        return Ok(());
    };
    Err(CliError::new(refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(ipc(None).unwrap(), IpcMode::Private);
        assert_eq!(pid(Some("container:a")).unwrap(), NamespaceMode::Container("a".to_owned()));
        assert!(pid(Some("container:")).is_err() && pid(Some("x")).is_err());
        assert_eq!(users(None).unwrap(), UsersMode::Usual);
        for wrong in ["x", "remap:", "remap:0:1", "remapped", "container:a"] {
            assert!(users(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(ipc(Some("x")).is_err() && cgroup(Some("x")).is_err() && uts(Some("x")).is_err());
    }
}
