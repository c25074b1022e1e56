//! Compares rbuild's default filter with docker's profile (`fixtures/seccomp`): the verdict for each system call, on
//! both architectures, with any capabilities. A difference is a decision, and is recorded here.

use std::collections::{BTreeMap, BTreeSet};

use super::assemble::{assemble, run};
use super::default_profile;
use super::profile::{Profile, Rules};
use super::syscalls::{Architecture, names};
use crate::container::sandbox::capability::CapabilitySet;

const DOCKERS: &[u8] = include_bytes!("../../../../fixtures/seccomp/docker-default.json");

/// The differences and their reasons: architecture, system call, reason. There are none.
const DIFFERENCES: [(&str, &str, &str); 0] = [];

/// Sets of capabilities: docker's default, none, all, and each one alone.
fn capability_sets() -> Vec<CapabilitySet> {
    let alone = CapabilitySet::ALL
        .names()
        .into_iter()
        .map(|name| CapabilitySet::adjusted(&[name], &["ALL".to_owned()]).expect("it is a capability"));
    [CapabilitySet::default(), CapabilitySet::EMPTY, CapabilitySet::ALL].into_iter().chain(alone).collect()
}

/// Arguments at which a rule's verdict may change: all values that it compares with, their neighbours, and each bit.
fn arguments(both: [&Rules; 2], name: &str) -> Vec<[u64; 2]> {
    let rules = both.into_iter().flat_map(|rules| &rules.rules).filter(|rule| rule.name == name);
    let conditions: Vec<_> = rules.flat_map(|rule| &rule.conditions).collect();
    if conditions.is_empty() {
        return vec![[0, 0]];
    }
    let named = conditions.iter().flat_map(|condition| {
        let value = condition.value;
        [value, value.wrapping_add(1), value.wrapping_sub(1), value | 1 << 32, condition.value_two]
    });
    let values: BTreeSet<u64> = named.chain((0..64).map(|bit| 1 << bit)).chain([0, u64::MAX]).collect();
    values.iter().flat_map(|value| [[*value, 0], [0, *value]]).collect()
}

#[test]
fn the_default_profile_is_dockers() {
    let docker = Profile::parse(DOCKERS).unwrap();
    let mut found: BTreeMap<(&str, String), String> = BTreeMap::new();
    for native in [Architecture::X86_64, Architecture::Aarch64] {
        for capabilities in capability_sets() {
            let (ours, theirs) = (default_profile::rules(capabilities, native), docker.rules(capabilities, native));
            let (our_filter, their_filter) = (assemble(&ours), assemble(&theirs));
            for arch in native.family() {
                let known: BTreeMap<u32, &str> = names().filter_map(|name| Some((arch.number(name)?, name))).collect();
                let (first, last) = (arch.first_number(), known.keys().next_back().copied().unwrap_or_default());
                let others = (first..first + 1000).chain(last..last + 10);
                for number in known.keys().copied().chain(others).collect::<BTreeSet<u32>>() {
                    let name = known.get(&number).copied().unwrap_or("-");
                    for arguments in arguments([&ours, &theirs], name) {
                        let answer = |filter| run(filter, arch.audit_value(), number, &arguments);
                        let (our_answer, their_answer) = (answer(&our_filter), answer(&their_filter));
                        if our_answer != their_answer {
                            let text = format!(
                                "{number} {arguments:x?} with {capabilities:?}: {our_answer:#x}, docker: {their_answer:#x}"
                            );
                            found.entry((arch.names()[0], name.to_owned())).or_insert(text);
                        }
                    }
                }
            }
        }
    }
    let listed: BTreeSet<(&str, String)> =
        DIFFERENCES.iter().map(|(arch, name, _)| (*arch, (*name).to_owned())).collect();
    let unlisted: Vec<_> = found.iter().filter(|(key, _)| !listed.contains(key)).collect();
    assert!(unlisted.is_empty(), "differs from docker's profile: {unlisted:#?}");
    let gone: Vec<_> = listed.iter().filter(|key| !found.contains_key(key)).collect();
    assert!(gone.is_empty(), "no difference any more: {gone:?}");
}

/// Other runtimes read the profile by names, and it must have the names of docker's profile for these architectures.
#[test]
fn what_other_runtimes_are_told_is_dockers() {
    let docker = Profile::parse(DOCKERS).unwrap();
    for capabilities in capability_sets() {
        let told = super::Seccomp::Default.to_oci(capabilities);
        let dockers = super::Seccomp::Profile(std::sync::Arc::new(docker.clone())).to_oci(capabilities);
        for key in ["defaultAction", "defaultErrnoRet", "architectures"] {
            assert_eq!(told[key], dockers[key], "{key}");
        }
        let rules = |filter: &serde_json::Value| -> BTreeSet<String> {
            let groups = filter["syscalls"].as_array().expect("there are groups").iter();
            groups
                .flat_map(|group| {
                    let (names, mut rest) = (group["names"].as_array().expect("it has names"), group.clone());
                    rest.as_object_mut().expect("it is an object").remove("names");
                    names.iter().map(move |name| format!("{name} {rest}")).collect::<Vec<_>>()
                })
                .collect()
        };
        let (ours, theirs) = (rules(&told), rules(&dockers));
        let difference: Vec<_> = ours.symmetric_difference(&theirs).collect();
        assert!(difference.is_empty(), "{capabilities:?}: {difference:?}");
    }
}
