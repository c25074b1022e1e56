//! `--security-opt apparmor`: which profile confines the programs of a container.

use super::error::ContainerError;
use super::record::Record;
use crate::container::sandbox::{self, DEFAULT_APPARMOR_PROFILE, SandboxError, Unsupported};

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum AppArmor {
    /// rbuild's own profile, where the host has AppArmor.
    #[default]
    Usual,
    Unconfined,
    Profile(String),
}

impl AppArmor {
    /// The profile of a container's first program. One that was named and can't be had is an error; without the usual
    /// one a container runs all the same (see [`warning`]).
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

    /// The profile of one more program in a container that runs: the one that its first program has.
    pub(super) fn of_program(&self, pid: i32, privileged: bool) -> Option<String> {
        match self {
            _ if privileged => None,
            Self::Profile(name) => Some(name.clone()),
            Self::Usual if sandbox::has_default_apparmor_profile(pid) => Some(DEFAULT_APPARMOR_PROFILE.to_owned()),
            Self::Usual | Self::Unconfined => None,
        }
    }
}

/// What the user of a container should know: that it runs without the usual profile, where the host has AppArmor.
pub(super) fn warning(record: &Record) -> Result<Option<String>, ContainerError> {
    let host = &record.host_config;
    let is_usual = super::launch::security(host)?.apparmor == AppArmor::Usual && !host.privileged;
    let missing = sandbox::default_apparmor_profile().err().filter(|_| is_usual);
    Ok(missing.map(|reason| format!("the container runs without AppArmor: {reason}")))
}
