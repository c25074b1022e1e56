//! AppArmor: the profile that confines a program from its execve on.

use super::error::InitError;
use super::init::KernelFiles;

/// Whether AppArmor is enabled in the kernel.
pub fn has_apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.first() == Some(&b'Y'))
}

/// Requests the profile for the next execve of this process, which has one thread. `proc` must be a trusted procfs: any
/// other file would accept the text without effect.
pub(super) fn confine(proc: &KernelFiles, profile: &str) -> Result<(), InitError> {
    proc.write_own(&["attr/apparmor/exec", "attr/exec"], &format!("exec {profile}"))
        .map_err(|error| failed(profile, error))
}

/// The confinement of a process that executes nothing: the small init (`--init`). Without it, the container's programs
/// could not signal that init.
#[derive(Debug)]
pub(super) struct Later {
    /// The container's procfs, in which a process finds itself.
    proc: KernelFiles,
    profile: String,
}

impl Later {
    pub(super) fn new(proc: &KernelFiles, profile: &str) -> Result<Self, InitError> {
        let proc = proc.try_clone().map_err(|error| failed(profile, error))?;
        Ok(Self { proc, profile: profile.to_owned() })
    }

    /// Confines this process from now on, but not a child that was forked before.
    pub(super) fn confine(&self) -> Result<(), InitError> {
        let text = format!("changeprofile {}", self.profile);
        let written = self.proc.write_own(&["attr/apparmor/current", "attr/current"], &text);
        written.map_err(|error| failed(&self.profile, error))
    }
}

fn failed(profile: &str, error: impl std::fmt::Display) -> InitError {
    InitError::Message(format!("cannot apply the AppArmor profile `{profile}`: {error}"))
}
