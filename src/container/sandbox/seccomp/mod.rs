//! Seccomp filters: docker's default profile, profiles in docker's JSON, and their assembly to BPF (seccomp(2)).

mod assemble;
#[cfg(test)]
mod comparison;
mod default_profile;
mod narrow;
mod oci;
mod profile;
mod syscalls;

use std::sync::{Arc, OnceLock};

use super::capability::CapabilitySet;
use syscalls::Architecture;

pub(super) use narrow::{Value, call_number, narrowing, tracing};
pub use profile::{Profile, ProfileError};

/// Which system calls the program may make.
#[derive(Debug, Clone, Default)]
pub enum Seccomp {
    /// docker's default profile, which depends on the capabilities.
    #[default]
    Default,
    Unconfined,
    /// A profile of the user's.
    Profile(Arc<Profile>),
}

/// Classic BPF; each number is a `sock_filter` (linux/filter.h): code, jt, jf, k from the highest byte down.
pub(super) type Program = Vec<u64>;

impl Seccomp {
    /// The filter for a program with these capabilities; `None` if it is not filtered.
    pub(super) fn program(&self, capabilities: CapabilitySet) -> Option<Program> {
        static USUAL: OnceLock<Program> = OnceLock::new();
        let default = || assemble::assemble(&default_profile::rules(capabilities, Architecture::HERE));
        match self {
            Self::Unconfined => None,
            Self::Default if capabilities == CapabilitySet::default() => Some(USUAL.get_or_init(default).clone()),
            Self::Default => Some(default()),
            Self::Profile(profile) => Some(assemble::assemble(&profile.rules(capabilities, Architecture::HERE))),
        }
    }
}
