//! The resolved definition, as JSON and as lists.

use serde_json::{Map, Value as Json, json};

use super::definition::Variable;
use super::entries::{Attestation, CacheEntry, Output, RESOURCE_NUMBERS, RESOURCES, Secret, Ssh};
use super::policy::Policy;
use super::resolve::Selection;
use super::target::{Config, Group, Target};

impl Selection {
    /// The output of `--print`.
    pub fn to_json(&self) -> Json {
        let mut all = Map::new();
        if !self.groups.is_empty() {
            let groups = self.groups.iter().map(|(name, group)| (name.clone(), group_json(group)));
            all.insert("group".to_owned(), Json::Object(groups.collect()));
        }
        let targets = self.targets.iter().map(|(name, target)| (name.clone(), target_json(target)));
        all.insert("target".to_owned(), Json::Object(targets.collect()));
        Json::Object(all)
    }
}

fn group_json(group: &Group) -> Json {
    let mut fields = Map::new();
    if !group.description.is_empty() {
        fields.insert("description".to_owned(), json!(group.description));
    }
    fields.insert("targets".to_owned(), json!(group.targets));
    Json::Object(fields)
}

/// Escapes what HCL would parse as a template, so that the output can be read again.
fn escaped(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

/// Fields that are omitted if empty.
#[derive(Default)]
struct Fields(Map<String, Json>);

impl Fields {
    fn put(&mut self, name: &str, value: Json) {
        self.0.insert(name.to_owned(), value);
    }

    fn text(&mut self, name: &str, text: Option<&String>) {
        if let Some(text) = text {
            self.put(name, json!(text));
        }
    }

    fn texts(&mut self, name: &str, texts: &Option<Vec<String>>) {
        if let Some(texts) = texts.as_ref().filter(|texts| !texts.is_empty()) {
            self.put(name, json!(texts));
        }
    }

    fn pairs(&mut self, name: &str, pairs: &std::collections::BTreeMap<String, String>) {
        if !pairs.is_empty() {
            let pairs = pairs.iter().map(|(name, text)| (name.clone(), json!(escaped(text))));
            self.put(name, Json::Object(pairs.collect()));
        }
    }

    fn entries<T>(&mut self, name: &str, entries: &Option<Vec<T>>, json_of: fn(&T) -> Json) {
        if let Some(entries) = entries.as_ref().filter(|entries| !entries.is_empty()) {
            self.put(name, Json::Array(entries.iter().map(json_of).collect()));
        }
    }
}

fn target_json(target: &Target) -> Json {
    let mut fields = Fields::default();
    if !target.description.is_empty() {
        fields.put("description", json!(target.description));
    }
    let annotations = target.annotations.as_ref().map(|all| all.iter().map(|text| escaped(text)).collect());
    fields.texts("annotations", &annotations);
    fields.entries("attest", &target.attest, attestation_json);
    fields.text("context", target.context.as_ref());
    if !target.contexts.is_empty() {
        fields.put("contexts", json!(target.contexts));
    }
    fields.text("dockerfile", target.dockerfile.as_ref());
    fields.text("dockerfile-inline", target.dockerfile_inline.as_deref().map(escaped).as_ref());
    fields.pairs("args", &target.args);
    fields.pairs("labels", &target.labels);
    fields.texts("tags", &target.tags);
    fields.entries("cache-from", &target.cache_from, cache_json);
    fields.entries("cache-to", &target.cache_to, cache_json);
    fields.text("target", target.target.as_ref());
    fields.entries("secret", &target.secrets, secret_json);
    fields.entries("ssh", &target.ssh, ssh_json);
    fields.texts("platforms", &target.platforms);
    fields.entries("output", &target.outputs, output_json);
    for (name, value) in [("pull", target.pull), ("no-cache", target.no_cache)] {
        if let Some(value) = value {
            fields.put(name, json!(value));
        }
    }
    fields.text("network", target.network.as_ref());
    fields.texts("no-cache-filter", &target.no_cache_filter);
    fields.text("shm-size", target.shm_size.as_ref());
    fields.texts("ulimits", &target.ulimits);
    if !target.resources.is_empty() {
        let limit = |name: &&str| {
            let value = target.resources.get(*name)?;
            let number = value.parse::<i64>().ok().filter(|_| RESOURCE_NUMBERS.contains(name));
            Some(((*name).to_owned(), number.map_or_else(|| json!(value), |number| json!(number))))
        };
        fields.put("resources", Json::Object(RESOURCES.iter().filter_map(limit).collect()));
    }
    fields.entries("policy", &target.policy, policy_json);
    fields.text("call", target.call.as_ref());
    fields.texts("entitlements", &target.entitlements);
    fields.pairs("extra-hosts", &target.extra_hosts);
    Json::Object(fields.0)
}

fn attributes_json(attributes: &std::collections::BTreeMap<String, String>) -> Map<String, Json> {
    attributes.iter().map(|(name, text)| (name.clone(), json!(text))).collect()
}

/// As it is read.
fn policy_json(entry: &Policy) -> Json {
    let files = entry.files.iter().map(|file| format!("filename={file}"));
    let settings = entry.settings.iter().map(|(key, value)| format!("{key}={value}"));
    json!(files.chain(settings).collect::<Vec<_>>().join(","))
}

fn attestation_json(entry: &Attestation) -> Json {
    let mut fields = attributes_json(&entry.attributes);
    fields.insert("type".to_owned(), json!(entry.kind));
    if entry.is_disabled {
        fields.insert("disabled".to_owned(), json!(true));
    }
    Json::Object(fields)
}

fn cache_json(entry: &CacheEntry) -> Json {
    let mut fields = attributes_json(&entry.attributes);
    fields.insert("type".to_owned(), json!(entry.kind));
    Json::Object(fields)
}

fn output_json(entry: &Output) -> Json {
    let mut fields = attributes_json(&entry.attributes);
    fields.insert("type".to_owned(), json!(entry.kind));
    if !entry.destination.is_empty() {
        fields.insert("dest".to_owned(), json!(entry.destination));
    }
    Json::Object(fields)
}

fn secret_json(entry: &Secret) -> Json {
    let fields = [("id", &entry.id), ("src", &entry.source), ("env", &entry.variable)];
    let fields = fields.into_iter().filter(|(_, text)| !text.is_empty());
    Json::Object(fields.map(|(name, text)| (name.to_owned(), json!(text))).collect())
}

fn ssh_json(entry: &Ssh) -> Json {
    let mut fields = Map::new();
    if !entry.id.is_empty() {
        fields.insert("id".to_owned(), json!(entry.id));
    }
    if !entry.paths.is_empty() {
        fields.insert("paths".to_owned(), json!(entry.paths));
    }
    Json::Object(fields)
}

/// A target or a group as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub description: String,
    pub is_group: bool,
}

impl Config {
    /// All targets and groups by name, except private ones, which start with `_`.
    pub fn listed(&self) -> Vec<Listed> {
        let targets = self.targets.iter().map(|target| Listed {
            name: target.name.clone(),
            description: target.description.clone(),
            is_group: false,
        });
        let groups = self.groups.iter().map(|group| {
            let mut members = group.targets.clone().unwrap_or_default();
            members.sort();
            let members = members.join(", ");
            let description = match (group.description.is_empty(), members.is_empty()) {
                (true, _) => members,
                (false, true) => group.description.clone(),
                (false, false) => format!("{} ({members})", group.description),
            };
            Listed { name: group.name.clone(), description, is_group: true }
        });
        let mut all: Vec<Listed> = targets.chain(groups).filter(|listed| !listed.name.starts_with('_')).collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        all
    }
}

/// Lists as JSON.
pub fn listed_json(all: &[Listed]) -> Json {
    let of = |listed: &Listed| {
        let mut fields = Map::from_iter([("name".to_owned(), json!(listed.name))]);
        if !listed.description.is_empty() {
            fields.insert("description".to_owned(), json!(listed.description));
        }
        if listed.is_group {
            fields.insert("group".to_owned(), json!(true));
        }
        Json::Object(fields)
    };
    // Go prints this for an empty list that was never allocated.
    if all.is_empty() { Json::Null } else { Json::Array(all.iter().map(of).collect()) }
}

/// Variables as JSON.
pub fn variables_json(all: Option<&[Variable]>) -> Json {
    let of = |variable: &Variable| {
        let mut fields = Map::from_iter([("name".to_owned(), json!(variable.name))]);
        for (name, text) in [("description", &variable.description), ("type", &variable.kind)] {
            if !text.is_empty() {
                fields.insert(name.to_owned(), json!(text));
            }
        }
        if let Some(value) = &variable.value {
            fields.insert("value".to_owned(), json!(value));
        }
        Json::Object(fields)
    };
    match all {
        Some(all) => Json::Array(all.iter().map(of).collect()),
        None => Json::Null,
    }
}
