//! Profiles in JSON, as for docker's `--security-opt seccomp=FILE`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::syscalls::Architecture;
use crate::base::io_error::IoError;
use crate::container::sandbox::capability::CapabilitySet;

#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("`{}` is not a seccomp profile", path.display())]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    default_action: ActionName,
    default_errno_ret: Option<u16>,
    #[serde(default)]
    syscalls: Vec<Group>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    arch_map: Vec<ArchMap>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

/// System calls with the same verdict.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    action: ActionName,
    errno_ret: Option<u16>,
    #[serde(default)]
    args: Option<Vec<Condition>>,
    #[serde(default)]
    includes: Option<Filter>,
    #[serde(default)]
    excludes: Option<Filter>,
}

/// The containers to which a group applies.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum ActionName {
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    #[serde(rename = "SCMP_ACT_KILL", alias = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
}

/// A test of one argument of the call.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    pub(super) index: u32,
    pub(super) value: u64,
    /// For `MaskedEqual`: the value that the argument must have under the mask `value`.
    #[serde(default)]
    pub(super) value_two: u64,
    pub(super) op: Comparison,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) enum Comparison {
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    #[serde(rename = "SCMP_CMP_LE")]
    LessOrEqual,
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterOrEqual,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

impl Condition {
    pub(super) fn to_oci(self) -> serde_json::Value {
        let op = match self.op {
            Comparison::NotEqual => "SCMP_CMP_NE",
            Comparison::Less => "SCMP_CMP_LT",
            Comparison::LessOrEqual => "SCMP_CMP_LE",
            Comparison::Equal => "SCMP_CMP_EQ",
            Comparison::GreaterOrEqual => "SCMP_CMP_GE",
            Comparison::Greater => "SCMP_CMP_GT",
            Comparison::MaskedEqual => "SCMP_CMP_MASKED_EQ",
        };
        serde_json::json!({"index": self.index, "value": self.value, "valueTwo": self.value_two, "op": op})
    }
}

/// The filter's return value (seccomp(2), `SECCOMP_RET_...`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Action(pub(super) u32);

impl Action {
    pub(super) const ALLOW: Self = Self(libc::SECCOMP_RET_ALLOW);
    pub(super) const TRACE: Self = Self(libc::SECCOMP_RET_TRACE);

    pub(super) const fn errno(errno: i32) -> Self {
        Self(libc::SECCOMP_RET_ERRNO | errno as u32 & 0xffff)
    }

    /// `action`, with `errnoRet` if it has one.
    pub(in crate::container::sandbox) fn to_oci(self) -> serde_json::Value {
        let data = self.0 & 0xffff;
        match self.0 & !0xffff {
            libc::SECCOMP_RET_ALLOW => serde_json::json!({"action": "SCMP_ACT_ALLOW"}),
            libc::SECCOMP_RET_LOG => serde_json::json!({"action": "SCMP_ACT_LOG"}),
            libc::SECCOMP_RET_TRAP => serde_json::json!({"action": "SCMP_ACT_TRAP"}),
            libc::SECCOMP_RET_TRACE => serde_json::json!({"action": "SCMP_ACT_TRACE", "errnoRet": data}),
            libc::SECCOMP_RET_KILL_THREAD => serde_json::json!({"action": "SCMP_ACT_KILL_THREAD"}),
            libc::SECCOMP_RET_ERRNO => serde_json::json!({"action": "SCMP_ACT_ERRNO", "errnoRet": data}),
            _ => serde_json::json!({"action": "SCMP_ACT_KILL_PROCESS"}),
        }
    }
}

/// A rule: calls with that name for which all conditions hold get that action.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) conditions: Vec<Condition>,
    pub(super) action: Action,
}

/// The input of the assembler: rules that apply to every listed architecture.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) default: Action,
    pub(super) rules: Vec<Rule>,
    pub(super) architectures: Vec<Architecture>,
}

impl Rules {
    /// The action for calls with numbers above all those in the rules, which are newer: ENOSYS, on which programs try
    /// an older call instead. docker's runtime, runc, does the same.
    pub(super) fn beyond(&self) -> Action {
        match self.default.0 & libc::SECCOMP_RET_ACTION_FULL {
            libc::SECCOMP_RET_ALLOW | libc::SECCOMP_RET_LOG | libc::SECCOMP_RET_TRACE => self.default,
            _ => Action::errno(libc::ENOSYS),
        }
    }
}

impl Profile {
    /// Parses docker's JSON from a file.
    pub fn of_file(path: &Path, json: &[u8]) -> Result<Self, ProfileError> {
        serde_json::from_slice(json).map_err(|source| ProfileError::Parse { path: path.to_owned(), source })
    }

    /// Parses docker's JSON.
    pub fn parse(json: &[u8]) -> Result<Self, ProfileError> {
        serde_json::from_slice(json).map_err(|source| ProfileError::Parse { path: "--security-opt".into(), source })
    }

    /// The rules for a container with these capabilities, on that architecture.
    pub(super) fn rules(&self, capabilities: CapabilitySet, native: Architecture) -> Rules {
        let groups = self.syscalls.iter().filter(|group| group.applies(capabilities, native));
        let rules = groups.flat_map(|group| {
            group.name.iter().chain(&group.names).map(|name| Rule {
                name: name.clone(),
                conditions: group.args.clone().unwrap_or_default(),
                action: action(group.action, group.errno_ret),
            })
        });
        Rules {
            default: action(self.default_action, self.default_errno_ret),
            rules: rules.collect(),
            architectures: self.architectures(native),
        }
    }

    fn architectures(&self, native: Architecture) -> Vec<Architecture> {
        let mapped = self
            .arch_map
            .iter()
            .flat_map(|map| std::iter::once(&map.architecture).chain(map.sub_architectures.iter().flatten()));
        let named: Vec<&String> = self.architectures.iter().chain(mapped).collect();
        let is_named = |arch: &Architecture| named.iter().any(|name| arch.names().contains(&name.as_str()));
        // The machine's own architecture always applies, as in libseccomp.
        native.family().iter().copied().filter(|arch| *arch == native || is_named(arch)).collect()
    }
}

impl Group {
    fn applies(&self, capabilities: CapabilitySet, native: Architecture) -> bool {
        let native = native.names()[0];
        let has_cap = |filter: &Filter| filter.caps.iter().flatten().any(|name| capabilities.contains(name));
        let has_arch = |filter: &Filter| filter.arches.iter().flatten().any(|name| name == native);
        let includes = self.includes.as_ref().is_none_or(|filter| {
            (filter.caps.is_none() || has_cap(filter))
                && (filter.arches.is_none() || has_arch(filter))
                && filter.min_kernel.as_deref().is_none_or(kernel_is_at_least)
        });
        let excluded = self.excludes.as_ref().is_some_and(|filter| {
            has_cap(filter) || has_arch(filter) || filter.min_kernel.as_deref().is_some_and(kernel_is_at_least)
        });
        includes && !excluded
    }
}

fn kernel_is_at_least(wanted: &str) -> bool {
    let numbers = |text: &str| {
        let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    };
    numbers(&rustix::system::uname().release().to_string_lossy()) >= numbers(wanted)
}

fn action(name: ActionName, errno: Option<u16>) -> Action {
    let data = |default: i32| u32::from(errno.unwrap_or(default as u16));
    Action(match name {
        ActionName::Allow => libc::SECCOMP_RET_ALLOW,
        ActionName::Errno => libc::SECCOMP_RET_ERRNO | data(libc::EPERM),
        ActionName::KillThread => libc::SECCOMP_RET_KILL_THREAD,
        ActionName::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        ActionName::Log => libc::SECCOMP_RET_LOG,
        ActionName::Trap => libc::SECCOMP_RET_TRAP,
        ActionName::Trace => libc::SECCOMP_RET_TRACE | data(libc::EPERM),
    })
}
