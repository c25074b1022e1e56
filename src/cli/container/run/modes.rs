//! `--pid`, `--ipc`, `--uts`, `--userns`, `--cgroupns`: whose namespaces a container has.

use crate::cli::CliError;
use crate::container::HostConfig;
use crate::container::sandbox::IdRanges;

pub(super) fn pid(text: Option<&str>) -> Result<String, CliError> {
    match text.unwrap_or_default() {
        mode @ ("" | "host") => Ok(mode.to_owned()),
        mode if is_container(mode) => Ok(mode.to_owned()),
        _ => Err(CliError::new("--pid: invalid PID mode")),
    }
}

pub(super) fn ipc(text: Option<&str>) -> Result<String, CliError> {
    match text.unwrap_or_default() {
        "" => Ok("private".to_owned()),
        mode @ ("private" | "shareable" | "host" | "none") => Ok(mode.to_owned()),
        mode if is_container(mode) => Ok(mode.to_owned()),
        mode => Err(CliError::new(format!("invalid IPC mode: {mode}"))),
    }
}

pub(super) fn cgroup(text: Option<&str>) -> Result<String, CliError> {
    match text.unwrap_or_default() {
        "" => Ok("private".to_owned()),
        mode @ ("private" | "host") => Ok(mode.to_owned()),
        _ => Err(CliError::new("--cgroupns: invalid CGROUP mode")),
    }
}

/// The host's users, or subordinate ones of it.
pub(in crate::cli) fn users(text: Option<&str>) -> Result<String, CliError> {
    match text.unwrap_or_default() {
        mode @ ("" | "host") => Ok(mode.to_owned()),
        mode if IdRanges::is_remap(mode) => {
            IdRanges::of_mode(mode).map_err(CliError::of_unsupported)?;
            Ok(mode.to_owned())
        }
        _ => Err(CliError::new("--userns: invalid USERNS mode").hint("it is host, remap or remap:FIRST:COUNT")),
    }
}

/// What docker refuses, in its words, to containers whose users are not the host's; and what rbuild can't do.
pub(super) fn check_users(host: &HostConfig) -> Result<(), CliError> {
    if !IdRanges::is_remap(&host.userns_mode) {
        return Ok(());
    }
    let refused = if host.privileged {
        "privileged mode is incompatible with user namespaces: use --userns=host with it"
    } else if host.network_mode == "host" {
        "cannot share the host's network namespace when user namespaces are enabled"
    } else if host.pid_mode == "host" {
        "cannot share the host PID namespace when user namespaces are enabled"
    } else if !host.runtime.is_empty() {
        "--userns=remap is for rbuild's own runtime: leave out --runtime"
    } else {
        return Ok(());
    };
    Err(CliError::new(refused))
}

/// `uts` is the container's or the host's.
pub(super) fn host_only(name: &str, text: Option<&str>) -> Result<String, CliError> {
    match text.unwrap_or_default() {
        mode @ ("" | "host") => Ok(mode.to_owned()),
        _ => Err(CliError::new(format!("--{name}: invalid {} mode", name.to_ascii_uppercase()))),
    }
}

fn is_container(mode: &str) -> bool {
    mode.strip_prefix("container:").is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(ipc(None).unwrap(), "private");
        assert_eq!(pid(Some("container:a")).unwrap(), "container:a");
        assert!(pid(Some("container:")).is_err() && pid(Some("x")).is_err());
        assert_eq!(users(None).unwrap(), "");
        for wrong in ["x", "remap:", "remap:0:1", "remapped", "container:a"] {
            assert!(users(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(ipc(Some("x")).is_err() && cgroup(Some("x")).is_err() && host_only("uts", Some("x")).is_err());
    }
}
