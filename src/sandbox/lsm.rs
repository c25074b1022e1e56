//! AppArmor: the profile that a program is confined by from its execve on.

use super::error::InitError;
use super::init::KernelFiles;

/// Whether the kernel has AppArmor switched on.
pub fn has_apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.first() == Some(&b'Y'))
}

/// Asks for the profile with the next execve of this process, which has one thread. `proc` is a procfs that nothing
/// foreign can be in: another file would take the word and do nothing.
pub(super) fn confine(proc: &KernelFiles, profile: &str) -> Result<(), InitError> {
    proc.write_own(&["attr/apparmor/exec", "attr/exec"], &format!("exec {profile}"))
        .map_err(|error| InitError::Message(format!("cannot apply the AppArmor profile `{profile}`: {error}")))
}
