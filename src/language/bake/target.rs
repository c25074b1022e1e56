//! Targets and groups, and how they are merged from several places.

use std::collections::BTreeMap;

use super::entries::{Attestation, CacheEntry, Output, Secret, Ssh, without_duplicates};
use super::policy::Policy;

/// A list of names of targets and groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub description: String,
    /// `None` if a compose file has services, but none of them is built.
    pub targets: Option<Vec<String>>,
}

/// A target. Everything except the name may be unset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    pub name: String,
    pub description: String,
    pub inherits: Vec<String>,
    pub annotations: Option<Vec<String>>,
    pub attest: Option<Vec<Attestation>>,
    pub context: Option<String>,
    pub contexts: BTreeMap<String, String>,
    pub dockerfile: Option<String>,
    pub dockerfile_inline: Option<String>,
    pub args: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub tags: Option<Vec<String>>,
    pub cache_from: Option<Vec<CacheEntry>>,
    pub cache_to: Option<Vec<CacheEntry>>,
    pub target: Option<String>,
    pub secrets: Option<Vec<Secret>>,
    pub ssh: Option<Vec<Ssh>>,
    pub platforms: Option<Vec<String>>,
    pub outputs: Option<Vec<Output>>,
    pub pull: Option<bool>,
    pub no_cache: Option<bool>,
    pub network: Option<String>,
    pub no_cache_filter: Option<Vec<String>>,
    pub shm_size: Option<String>,
    pub ulimits: Option<Vec<String>>,
    /// The limits of each RUN step, as in `--resource`.
    pub resources: BTreeMap<String, String>,
    pub policy: Option<Vec<Policy>>,
    pub call: Option<String>,
    pub entitlements: Option<Vec<String>>,
    pub extra_hosts: BTreeMap<String, String>,
    /// Whether it is built only as another target's context.
    pub is_linked: bool,
    pub bases: Bases,
}

/// The folders of a target's relative paths, where these are relative to the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bases {
    /// The folder of the target's file.
    pub file: Option<String>,
    /// The folder of the file that sets the context.
    pub context: Option<String>,
    pub contexts: BTreeMap<String, String>,
    /// The target whose context it uses.
    pub context_of: Option<String>,
}

/// All targets and groups of the files.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub groups: Vec<Group>,
    pub targets: Vec<Target>,
}

fn replace<T: Clone>(mine: &mut Option<T>, other: &Option<T>) {
    if other.is_some() {
        mine.clone_from(other);
    }
}

fn append<T: Clone>(mine: &mut Option<Vec<T>>, other: &Option<Vec<T>>) {
    if let Some(other) = other {
        mine.get_or_insert_default().extend_from_slice(other);
    }
}

impl Target {
    /// Merges another target on top of this one.
    pub fn merge(&mut self, other: &Self) {
        replace(&mut self.bases.file, &other.bases.file);
        if other.context.is_some() {
            self.context.clone_from(&other.context);
            self.bases.context.clone_from(&other.bases.context);
            self.bases.context_of.clone_from(&other.bases.context_of);
        }
        replace(&mut self.dockerfile, &other.dockerfile);
        replace(&mut self.dockerfile_inline, &other.dockerfile_inline);
        self.args.extend(other.args.clone());
        for (name, context) in &other.contexts {
            self.contexts.insert(name.clone(), context.clone());
            self.bases.contexts.remove(name);
        }
        self.bases.contexts.extend(other.bases.contexts.clone());
        self.labels.extend(other.labels.clone());
        replace(&mut self.tags, &other.tags);
        replace(&mut self.target, &other.target);
        replace(&mut self.call, &other.call);
        append(&mut self.annotations, &other.annotations);
        append(&mut self.attest, &other.attest);
        append(&mut self.secrets, &other.secrets);
        append(&mut self.ssh, &other.ssh);
        replace(&mut self.platforms, &other.platforms);
        append(&mut self.cache_from, &other.cache_from);
        replace(&mut self.cache_to, &other.cache_to);
        replace(&mut self.outputs, &other.outputs);
        replace(&mut self.pull, &other.pull);
        replace(&mut self.no_cache, &other.no_cache);
        replace(&mut self.network, &other.network);
        append(&mut self.no_cache_filter, &other.no_cache_filter);
        replace(&mut self.shm_size, &other.shm_size);
        append(&mut self.ulimits, &other.ulimits);
        self.resources.extend(other.resources.clone());
        if !other.description.is_empty() {
            self.description.clone_from(&other.description);
        }
        append(&mut self.policy, &other.policy);
        append(&mut self.entitlements, &other.entitlements);
        self.extra_hosts.extend(other.extra_hosts.clone());
        self.inherits.extend_from_slice(&other.inherits);
        self.normalize_entries();
    }

    fn normalize_entries(&mut self) {
        keep_last(&mut self.attest, |entry| entry.kind.clone());
        keep_last(&mut self.secrets, |entry| entry.id.clone());
        keep_last(&mut self.ssh, |entry| entry.id.clone());
        if let Some(entries) = self.cache_from.take() {
            self.cache_from = Some(without_duplicates(entries));
        }
    }

    /// Whether a policy must approve the sources of its files.
    pub fn needs_policies(&self) -> bool {
        let policies = self.policy.as_deref().unwrap_or_default();
        policies.iter().any(|policy| !policy.files.is_empty()) && !self.is_without_policies()
    }

    /// Whether nobody is to judge that, not even the policy beside the Dockerfile.
    pub fn is_without_policies(&self) -> bool {
        self.policy.iter().flatten().any(Policy::is_disabled)
    }

    /// Removes duplicates, and adds what other settings imply.
    pub fn normalize(&mut self) {
        self.normalize_entries();
        for list in
            [&mut self.annotations, &mut self.tags, &mut self.platforms, &mut self.no_cache_filter, &mut self.ulimits]
        {
            remove_duplicates(list);
        }
        for list in [&mut self.cache_from, &mut self.cache_to] {
            *list = list.take().filter(|list| !list.is_empty()).map(without_duplicates);
        }
        self.outputs = self.outputs.take().filter(|list| !list.is_empty()).map(without_duplicates);
        if self.network.as_deref() == Some("host") {
            self.entitlements.get_or_insert_default().push("network.host".to_owned());
        }
        remove_duplicates(&mut self.entitlements);
        self.contexts.retain(|_, context| !context.is_empty());
    }

    pub fn local_context(&self) -> &str {
        self.context.as_deref().unwrap_or(".")
    }
}

/// Keeps the last entry of each kind, at the position of the first.
fn keep_last<T, K: PartialEq>(list: &mut Option<Vec<T>>, key: impl Fn(&T) -> K) {
    let Some(entries) = list.take().filter(|entries| !entries.is_empty()) else { return };
    let mut kept: Vec<T> = Vec::new();
    for entry in entries {
        match kept.iter_mut().find(|known| key(known) == key(&entry)) {
            Some(known) => *known = entry,
            None => kept.push(entry),
        }
    }
    *list = Some(kept);
}

fn remove_duplicates(list: &mut Option<Vec<String>>) {
    if let Some(list) = list {
        let mut seen = std::collections::HashSet::new();
        list.retain(|text| !text.is_empty() && seen.insert(text.clone()));
    }
}

/// Each name once, in the order of first appearance.
pub fn unique(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

impl Config {
    /// Merges targets of one name.
    pub fn deduplicate(&mut self) {
        for group in &mut self.groups {
            group.targets = group.targets.take().map(unique);
        }
        let mut joined: Vec<Target> = Vec::new();
        let mut places: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        for target in std::mem::take(&mut self.targets) {
            match places.get(&target.name).and_then(|index| joined.get_mut(*index)) {
                Some(known) => known.merge(&target),
                None => {
                    places.insert(target.name.clone(), joined.len());
                    joined.push(target);
                }
            }
        }
        self.targets = joined;
    }
}
