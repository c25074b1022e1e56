//! A filter in the form of the OCI runtime specification.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::syscalls::Architecture;
use super::{CapabilitySet, Seccomp, default_profile};

impl Seccomp {
    /// The filter by names, which the runtime's own library translates; null if there is none.
    pub(in crate::container::sandbox) fn to_oci(&self, capabilities: CapabilitySet) -> Value {
        let rules = match self {
            Self::Unconfined => return Value::Null,
            Self::Default => default_profile::rules(capabilities, Architecture::HERE),
            Self::Profile(profile) => profile.rules(capabilities, Architecture::HERE),
        };
        let mut groups: BTreeMap<String, (Value, Vec<&str>)> = BTreeMap::new();
        for rule in &rules.rules {
            let mut value = rule.action.to_oci();
            value["args"] = rule.conditions.iter().map(|condition| condition.to_oci()).collect();
            groups.entry(value.to_string()).or_insert((value, Vec::new())).1.push(&rule.name);
        }
        let syscalls: Vec<Value> = groups
            .into_values()
            .map(|(mut value, names)| {
                value["names"] = names.into();
                value
            })
            .collect();
        let mut filter = json!({
            "architectures": rules.architectures.iter().map(|one| one.names()[1]).collect::<Vec<_>>(),
            "syscalls": syscalls,
        });
        let default = rules.default.to_oci();
        filter["defaultAction"] = default["action"].clone();
        if !default["errnoRet"].is_null() {
            filter["defaultErrnoRet"] = default["errnoRet"].clone();
        }
        filter
    }
}
