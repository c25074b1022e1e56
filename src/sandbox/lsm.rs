//! AppArmor: the profile that a program is confined by from its execve on.

use std::path::Path;

use super::error::InitError;

/// Whether the kernel has AppArmor switched on.
pub fn has_apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.first() == Some(&b'Y'))
}

/// Asks for the profile with the next execve of this thread.
pub(super) fn confine(profile: &str) -> Result<(), InitError> {
    let files = ["/proc/thread-self/attr/apparmor/exec", "/proc/thread-self/attr/exec"];
    let file = files.into_iter().find(|file| Path::new(file).exists()).unwrap_or(files[1]);
    std::fs::write(file, format!("exec {profile}"))
        .map_err(|error| InitError::Message(format!("cannot apply the AppArmor profile `{profile}`: {error}")))
}
