//! `--pid`, `--ipc`, `--uts`, `--userns`, `--cgroupns`: whose namespaces a container has.

use crate::cli::CliError;

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

/// `uts` and `userns` are the container's or the host's.
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
        assert!(ipc(Some("x")).is_err() && cgroup(Some("x")).is_err() && host_only("uts", Some("x")).is_err());
    }
}
