//! Seccomp filters: docker's default profile, profiles in docker's JSON, and their assembly to BPF (seccomp(2)).

mod assemble;
mod default_profile;
mod profile;
mod syscalls;

use std::sync::{Arc, OnceLock};

use super::capability::CapabilitySet;

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

/// Classic BPF; each number is one `sock_filter` (linux/filter.h): code, jt, jf, k from the highest byte down.
pub(super) type Program = Vec<u64>;

/// A test of an argument, in the words of the OCI runtime specification.
pub(super) fn condition_to_oci(condition: &profile::Condition) -> serde_json::Value {
    condition.to_oci()
}

impl Seccomp {
    /// The rules by name; nothing when the program is not filtered.
    pub(super) fn rules(&self, capabilities: CapabilitySet) -> Option<profile::Rules> {
        match self {
            Self::Unconfined => None,
            Self::Default => Some(default_profile::rules(capabilities)),
            Self::Profile(profile) => Some(profile.rules(capabilities)),
        }
    }

    /// The filter for a program with these capabilities; nothing when it is not filtered.
    pub(super) fn program(&self, capabilities: CapabilitySet) -> Option<Program> {
        static USUAL: OnceLock<Program> = OnceLock::new();
        match self {
            Self::Unconfined => None,
            Self::Default if capabilities == CapabilitySet::default() => {
                Some(USUAL.get_or_init(|| assemble::assemble(&default_profile::rules(capabilities))).clone())
            }
            Self::Default => Some(assemble::assemble(&default_profile::rules(capabilities))),
            Self::Profile(profile) => Some(assemble::assemble(&profile.rules(capabilities))),
        }
    }
}
