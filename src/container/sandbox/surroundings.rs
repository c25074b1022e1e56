//! What rbuild itself may do here: as root of a machine, as root of a container, or as an ordinary user.

use super::capability::CapabilitySet;

/// Whether this process has the capability. Takes the name as in capabilities(7), without `CAP_`.
pub fn has_capability(name: &str) -> bool {
    own_capabilities().contains(name)
}

/// Whether a seccomp filter restricts this process's system calls.
pub(super) fn is_confined_by_seccomp() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|value| value.trim() == "2"))
}

pub(super) fn own_capabilities() -> CapabilitySet {
    // Fails only for another process.
    let effective = rustix::thread::capabilities(None).map(|sets| sets.effective.bits()).unwrap_or_default();
    CapabilitySet::of_bits(effective)
}

/// Whether files of every owner, mode and type can be created and changed.
pub fn owns_all_files() -> bool {
    const NEEDED: [&str; 4] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"];
    let own = own_capabilities();
    NEEDED.iter().all(|name| own.contains(name))
}
