//! `--security-opt apparmor`: the profile that confines a container's programs.

use super::error::ContainerError;
use super::record::Record;
use crate::container::sandbox::{self, DEFAULT_APPARMOR_PROFILE, SandboxError, Unsupported};

/// The requested profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum AppArmor {
    /// rbuild's own profile, if the host has AppArmor.
    #[default]
    Usual,
    Unconfined,
    Profile(String),
}

impl AppArmor {
    /// The profile of a container's first program. It is an error if a named profile is not available; without the
    /// default one, a container runs unconfined (see [`warning`]).
    pub(super) fn of_container(&self, privileged: bool) -> Result<Option<String>, ContainerError> {
        match (self, sandbox::default_apparmor_profile()) {
            (Self::Profile(name), Err(reason)) if name == DEFAULT_APPARMOR_PROFILE => {
                let what = format!("cannot load the AppArmor profile `{name}`: {reason}");
                Err(SandboxError::from(Unsupported { what, hint: None }).into())
            }
            (Self::Profile(name), _) => Ok(Some(name.clone())),
            (Self::Usual, Ok(profile)) if !privileged => Ok(profile.map(str::to_owned)),
            (Self::Usual | Self::Unconfined, _) => Ok(None),
        }
    }

    /// The profile of another program in a running container: the one of its first program.
    pub(super) fn of_program(&self, pid: i32, privileged: bool) -> Option<String> {
        match self {
            _ if privileged => None,
            Self::Profile(name) => Some(name.clone()),
            Self::Usual if sandbox::has_default_apparmor_profile(pid) => Some(DEFAULT_APPARMOR_PROFILE.to_owned()),
            Self::Usual | Self::Unconfined => None,
        }
    }
}

/// A warning for the user if the container runs without the default profile although the host has AppArmor.
pub(super) fn warning(record: &Record) -> Result<Option<String>, ContainerError> {
    let host = &record.host_config;
    let is_usual = super::launch::security(host)?.apparmor == AppArmor::Usual && !host.privileged;
    let missing = sandbox::default_apparmor_profile().err().filter(|_| is_usual);
    Ok(missing.map(|reason| format!("the container runs without AppArmor: {reason}")))
}
