//! `--set TARGET.KEY=VALUE`.

use std::collections::{BTreeMap, HashMap};

use super::Entitlements;
use crate::language::bake::entries::{
    Attestation, Entry as _, Output, Secret, Ssh, check_resource, parse_all, parse_bool, parse_caches,
};
use crate::language::bake::error::BakeError;
use crate::language::bake::evaluation::near;
use crate::language::bake::policy::Policy;
use crate::language::bake::target::{Config, Target};

/// The settings for one key.
#[derive(Debug, Clone, Default)]
struct Override {
    value: String,
    values: Vec<String>,
    appends: bool,
}

/// The command line's settings, by target and key.
#[derive(Debug, Default)]
pub struct Overrides(HashMap<String, BTreeMap<String, Override>>);

/// The keys whose values accumulate.
const LISTS: [&str; 11] = [
    "output",
    "cache-to",
    "cache-from",
    "tags",
    "platform",
    "secrets",
    "ssh",
    "attest",
    "entitlements",
    "network",
    "policy",
];

/// All keys that can be set.
const KEYS: [&str; 29] = [
    "context",
    "dockerfile",
    "args",
    "contexts",
    "labels",
    "extra-hosts",
    "tags",
    "platform",
    "cache-from",
    "cache-to",
    "target",
    "call",
    "secret",
    "secrets",
    "ssh",
    "output",
    "entitlements",
    "annotations",
    "attest",
    "no-cache",
    "pull",
    "no-cache-filter",
    "ulimits",
    "network",
    "shm-size",
    "resources",
    "policy",
    "push",
    "load",
];

/// Whether a shell pattern matches, as Go's `path.Match` does.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_from(&pattern, &name)
}

fn matches_from(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => {
            let rest = &rest[rest.iter().take_while(|letter| **letter == '*').count()..];
            (0..=name.len()).any(|skipped| matches_from(rest, &name[skipped..]))
        }
        Some(('?', rest)) => !name.is_empty() && matches_from(rest, &name[1..]),
        Some(('[', rest)) => {
            let (Some(end), Some(letter)) = (rest.iter().skip(1).position(|letter| *letter == ']'), name.first())
            else {
                return false;
            };
            let class = &rest[..=end];
            let (is_negated, class) = match class.split_first() {
                Some(('^', inner)) => (true, inner),
                _ => (false, class),
            };
            in_class(class, *letter) != is_negated && matches_from(&rest[end + 2..], &name[1..])
        }
        Some(('\\', rest)) => match (rest.split_first(), name.split_first()) {
            (Some((wanted, rest)), Some((letter, name))) => wanted == letter && matches_from(rest, name),
            _ => false,
        },
        Some((wanted, rest)) => name.first() == Some(wanted) && matches_from(rest, &name[1..]),
    }
}

fn in_class(class: &[char], letter: char) -> bool {
    let mut index = 0;
    while index < class.len() {
        if class.get(index + 1) == Some(&'-') && index + 2 < class.len() {
            if (class[index]..=class[index + 2]).contains(&letter) {
                return true;
            }
            index += 3;
        } else {
            if class[index] == letter {
                return true;
            }
            index += 1;
        }
    }
    false
}

impl Overrides {
    /// # Errors
    /// If one is malformed, or matches no target.
    pub fn parse(texts: &[String], config: &Config, environment: &BTreeMap<String, String>) -> Result<Self, BakeError> {
        let mut overrides = Self::default();
        for text in texts {
            overrides.add(text, config, environment)?;
        }
        Ok(overrides)
    }

    fn add(&mut self, text: &str, config: &Config, environment: &BTreeMap<String, String>) -> Result<(), BakeError> {
        let (left, value) = text.split_once('=').map_or((text, None), |(left, value)| (left, Some(value)));
        let key = left.strip_suffix('+').unwrap_or(left);
        let appends = key.len() < left.len();
        let parts: Vec<&str> = key.splitn(3, '.').collect();
        let (pattern, field) = match parts.as_slice() {
            [pattern, field, ..] => (*pattern, *field),
            _ => return Err(BakeError::invalid(format!("invalid override key {key}, expected target.name"))),
        };
        if value.is_none() && field != "args" {
            return Err(BakeError::invalid(format!("invalid override {text}, expected target.name=value")));
        }
        if matches!(field, "args" | "contexts" | "resources") && parts.len() != 3 {
            return Err(BakeError::invalid(format!("invalid key {left}, {field} requires name")));
        }
        if field == "resources" && appends {
            return Err(BakeError::invalid(format!("invalid key {left}, {field} does not support append")));
        }
        let names = expand(config, pattern)?;
        for name in names {
            let known = self.0.entry(name).or_default();
            let set = known.entry(parts[1..].join(".")).or_default();
            match value {
                Some(value) if LISTS.contains(&field) || field == "annotations" => {
                    set.appends = appends;
                    set.values.push(value.to_owned());
                }
                Some(value) => value.clone_into(&mut set.value),
                None => match environment.get(parts[2]) {
                    Some(value) => set.value.clone_from(value),
                    None => _ = known.remove(&parts[1..].join(".")),
                },
            }
        }
        Ok(())
    }

    /// Applies the settings for the target.
    pub(super) fn apply(&self, name: &str, target: &mut Target, allowed: &mut Entitlements) -> Result<(), BakeError> {
        let Some(overrides) = self.0.get(name) else { return Ok(()) };
        // Push and load modify the outputs, so they are applied after them.
        let is_late = |key: &str| matches!(key, "push" | "load") || key.starts_with("secret.");
        let early = overrides.iter().filter(|(key, _)| !is_late(key));
        for (key, set) in early.chain(overrides.iter().filter(|(key, _)| is_late(key))) {
            apply(target, key, set, allowed).map_err(BakeError::Invalid)?;
        }
        Ok(())
    }
}

fn expand(config: &Config, pattern: &str) -> Result<Vec<String>, BakeError> {
    if config.targets.iter().any(|target| target.name == pattern) {
        return Ok(vec![pattern.to_owned()]);
    }
    let names = config.targets.iter().map(|target| &target.name);
    let found: Vec<String> = names.filter(|name| matches(pattern, name)).cloned().collect();
    if found.is_empty() {
        return Err(BakeError::invalid(format!("could not find any target matching '{pattern}'")));
    }
    Ok(found)
}

fn lay<T>(mine: &mut Option<Vec<T>>, values: Vec<T>, appends: bool) {
    if appends {
        mine.get_or_insert_default().extend(values);
    } else {
        *mine = Some(values);
    }
}

fn apply(target: &mut Target, key: &str, set: &Override, allowed: &mut Entitlements) -> Result<(), String> {
    let (field, name) = key.split_once('.').map_or((key, None), |(field, name)| (field, Some(name)));
    let value = set.value.clone();
    let named = |example: &str| {
        name.map(str::to_owned).ok_or_else(|| format!("invalid format for {field}, expecting {field}.{example}"))
    };
    let wrong =
        |error: String| format!("invalid value for {}: {error}", if field == "output" { "outputs" } else { field });
    let truth = || parse_bool(&value).ok_or_else(|| format!("invalid value {value} for boolean key {field}"));
    match field {
        "context" => target.context = Some(value),
        "dockerfile" => target.dockerfile = Some(value),
        "args" => _ = target.args.insert(named("<name>=<value>")?, value),
        "contexts" => _ = target.contexts.insert(named("<name>=<value>")?, value),
        "labels" => _ = target.labels.insert(named("<name>=<value>")?, value),
        "extra-hosts" => _ = target.extra_hosts.insert(named("<hostname>=<ip>")?, value),
        "tags" => lay(&mut target.tags, set.values.clone(), set.appends),
        "platform" => lay(&mut target.platforms, set.values.clone(), set.appends),
        "cache-from" | "cache-to" => set_caches(target, field, set, allowed)?,
        "target" => target.target = Some(value),
        "call" => target.call = Some(value),
        "secret" if name.is_some() => set_secret(target, &named("<id>=<value>")?, &value, allowed)?,
        "secrets" => {
            let secrets: Vec<Secret> = parse_all(&set.values).map_err(wrong)?;
            allowed.read.extend(secrets.iter().map(|secret| secret.source.clone()).filter(|path| !path.is_empty()));
            lay(&mut target.secrets, secrets, set.appends);
        }
        "ssh" => {
            lay(&mut target.ssh, parse_all::<Ssh>(&set.values).map_err(wrong)?, set.appends);
            allowed.read.extend(target.ssh.iter().flatten().flat_map(|agent| agent.paths.clone()));
        }
        "output" => {
            lay(&mut target.outputs, parse_all::<Output>(&set.values).map_err(wrong)?, set.appends);
            let destinations = target.outputs.iter().flatten().map(|output| output.destination.clone());
            allowed.write.extend(destinations.filter(|path| !path.is_empty()));
        }
        "entitlements" => set_entitlements(target, set, allowed),
        "annotations" => lay(&mut target.annotations, set.values.clone(), true),
        "attest" => lay(&mut target.attest, parse_all::<Attestation>(&set.values).map_err(wrong)?, true),
        "no-cache" => target.no_cache = Some(truth()?),
        "pull" => target.pull = Some(truth()?),
        // As in buildx: their values are lists, but are not accepted as such.
        "no-cache-filter" => lay(&mut target.no_cache_filter, Vec::new(), set.appends),
        "ulimits" => lay(&mut target.ulimits, Vec::new(), set.appends),
        "network" => target.network = Some(value),
        "shm-size" => target.shm_size = Some(value),
        "resources" => {
            let name = named("<name>=<value>")?;
            check_resource(&name, &value)?;
            target.resources.insert(name, value);
        }
        "policy" => lay(&mut target.policy, parse_all::<Policy>(&set.values).map_err(wrong)?, set.appends),
        "push" => set_push(target, truth()?),
        "load" => set_load(target, truth()?),
        _ => return Err(format!("unknown key: {field}.{}", near(field, &KEYS))),
    }
    Ok(())
}

/// What is named on the command line is allowed by that.
fn set_caches(target: &mut Target, field: &str, set: &Override, allowed: &mut Entitlements) -> Result<(), String> {
    let (caches, attribute, paths) = match field {
        "cache-from" => (&mut target.cache_from, "src", &mut allowed.read),
        _ => (&mut target.cache_to, "dest", &mut allowed.write),
    };
    lay(caches, parse_caches(&set.values)?, set.appends);
    let local = caches.iter().flatten().filter(|entry| entry.kind == "local");
    paths.extend(local.filter_map(|entry| entry.attributes.get(attribute).cloned()));
    Ok(())
}

/// The same of rights.
fn set_entitlements(target: &mut Target, set: &Override, allowed: &mut Entitlements) {
    for entitlement in &set.values {
        allowed.host_network |= entitlement == "network.host";
        allowed.insecure |= entitlement == "security.insecure";
    }
    lay(&mut target.entitlements, set.values.clone(), true);
}

/// Another source for a declared secret.
fn set_secret(target: &mut Target, id: &str, value: &str, allowed: &mut Entitlements) -> Result<(), String> {
    let declared = target.secrets.iter_mut().flatten().find(|secret| secret.id == id);
    let Some(secret) = declared else {
        return Err(format!("secret {id:?} must be declared before it can be overridden"));
    };
    let next = Secret::parse(value)?;
    if !next.id.is_empty() && next.id != id {
        return Err(format!("secret override id {:?} does not match declared secret {id:?}", next.id));
    }
    if !next.source.is_empty() {
        allowed.read.push(next.source.clone());
    }
    secret.source = next.source;
    secret.variable = next.variable;
    Ok(())
}

fn set_push(target: &mut Target, is_pushed: bool) {
    let outputs = target.outputs.get_or_insert_default();
    if !is_pushed {
        outputs.retain(|output| output.kind != "registry");
        for output in outputs.iter_mut().filter(|output| output.kind == "image") {
            output.attributes.insert("push".to_owned(), "false".to_owned());
        }
        return;
    }
    let only_local = outputs.iter().all(|output| output.kind == "docker");
    for output in outputs.iter_mut().filter(|output| output.kind == "image") {
        output.attributes.insert("push".to_owned(), "true".to_owned());
    }
    if only_local {
        let mut image = Output::of_kind("image");
        image.attributes.insert("push".to_owned(), "true".to_owned());
        outputs.push(image);
    }
}

fn set_load(target: &mut Target, is_loaded: bool) {
    if !is_loaded {
        return;
    }
    let outputs = target.outputs.get_or_insert_default();
    for output in outputs.iter() {
        match output.kind.as_str() {
            "docker" if output.destination.is_empty() => return,
            "docker" | "image" | "registry" | "oci" => {}
            _ => return,
        }
    }
    outputs.push(Output::of_kind("docker"));
}
