//! Capabilities by name, and sets of them (capabilities(7)).

use std::fmt;

use serde::{Deserialize, Serialize};

/// In the order of their numbers, starting at 0.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Docker's default set.
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SYS_CHROOT",
    "MKNOD",
    "AUDIT_WRITE",
    "SETFCAP",
];

/// A set of capabilities, as the kernel's bit mask. The default is docker's.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilitySet(u64);

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a capability")]
pub struct UnknownCapability(String);

impl Default for CapabilitySet {
    fn default() -> Self {
        Self(DEFAULT.iter().filter_map(|name| number(name)).fold(0, |mask, number| mask | 1 << number))
    }
}

/// The names of all capabilities, without `CAP_`.
pub fn capability_names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied()
}

impl CapabilitySet {
    pub const EMPTY: Self = Self(0);
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// Applies docker's `--cap-add` and `--cap-drop` to the default set: `ALL` in either replaces it.
    pub fn adjusted(add: &[String], drop: &[String]) -> Result<Self, UnknownCapability> {
        let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
        let mut set = Self::default();
        if add.iter().any(is_all) {
            set = Self::ALL;
        } else if drop.iter().any(is_all) {
            set = Self::EMPTY;
        }
        for name in drop.iter().filter(|name| !is_all(name)) {
            set.0 &= !(1 << parse(name)?);
        }
        for name in add.iter().filter(|name| !is_all(name)) {
            set.0 |= 1 << parse(name)?;
        }
        Ok(set)
    }

    pub(super) fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The capabilities that the other set does not have.
    pub fn without_those_of(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The set without that capability.
    pub(super) fn without(self, name: &str) -> Self {
        Self(self.0 & !parse(name).map_or(0, |number| 1 << number))
    }

    /// Takes a name as in capabilities(7), with or without `CAP_`.
    pub fn contains(self, name: &str) -> bool {
        parse(name).is_ok_and(|number| self.0 & 1 << number != 0)
    }

    /// `CAP_CHOWN` and so on.
    pub fn names(self) -> Vec<String> {
        NAMES.iter().filter(|name| self.contains(name)).map(|name| format!("CAP_{name}")).collect()
    }

    pub(super) fn of_bits(bits: u64) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The mask, as in `/proc/self/status`.
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for CapabilitySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(NAMES.iter().filter(|name| self.contains(name))).finish()
    }
}

fn parse(name: &str) -> Result<u32, UnknownCapability> {
    let upper = name.to_ascii_uppercase();
    number(upper.strip_prefix("CAP_").unwrap_or(&upper)).ok_or_else(|| UnknownCapability(name.to_owned()))
}

fn number(name: &str) -> Option<u32> {
    NAMES.iter().position(|known| *known == name).map(|position| position as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adjusted(add: &[&str], drop: &[&str]) -> u64 {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        CapabilitySet::adjusted(&owned(add), &owned(drop)).unwrap().bits()
    }

    #[test]
    fn the_default_is_dockers() {
        assert_eq!(CapabilitySet::default().bits(), 0xa80425fb);
    }

    #[test]
    fn adding_and_dropping() {
        assert_eq!(adjusted(&["sys_admin"], &[]), 0xa80425fb | 1 << 21);
        assert_eq!(adjusted(&[], &["CAP_MKNOD"]), 0xa80425fb & !(1 << 27));
        assert_eq!(adjusted(&["NET_BIND_SERVICE"], &["ALL"]), 1 << 10);
        assert_eq!(adjusted(&["ALL"], &["CAP_SYS_ADMIN"]), ((1 << 41) - 1) & !(1 << 21));
        assert!(CapabilitySet::adjusted(&["SYS_ADMINN".into()], &[]).is_err());
    }
}
