//! A service's `build` section → a target.

use std::collections::BTreeMap;

use super::yaml::Node;
use super::{Loader, Names, dotenv, text_of};
use crate::language::bake::entries::{
    Attestation, Entry as _, Output, Secret, Ssh, parse_all, parse_bool, parse_caches, without_duplicates,
};
use crate::language::bake::target::{Target, unique};

type Entries = BTreeMap<String, Node>;
type Read<T> = Result<T, String>;

/// Converts services to targets.
pub(super) struct Builder<'a> {
    pub(super) loader: &'a Loader<'a>,
    pub(super) services: &'a Entries,
    pub(super) secrets: &'a Entries,
}

fn build_of(service: &Node) -> Option<&Entries> {
    match service {
        Node::Map(fields) => match fields.get("build") {
            Some(Node::Map(build)) => Some(build),
            _ => None,
        },
        _ => None,
    }
}

/// A text that is not empty.
fn text(fields: &Entries, name: &str) -> Option<String> {
    fields.get(name).and_then(text_of).filter(|text| !text.is_empty())
}

fn texts(node: Option<&Node>) -> Vec<String> {
    match node {
        Some(Node::List(elements)) => elements.iter().filter_map(text_of).collect(),
        Some(Node::Text(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}

/// Names and values of a map or of a list of `NAME=VALUE`.
fn pairs(node: Option<&Node>) -> BTreeMap<String, Option<String>> {
    match node {
        Some(Node::Map(entries)) => entries.iter().map(|(name, value)| (name.clone(), text_of(value))).collect(),
        Some(Node::List(elements)) => elements
            .iter()
            .filter_map(text_of)
            .map(|text| match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (text, None),
            })
            .collect(),
        _ => BTreeMap::new(),
    }
}

/// A boolean, also in YAML 1.1's notation.
fn truth(fields: &Entries, name: &str) -> Read<bool> {
    match fields.get(name) {
        Some(Node::Bool(value)) => Ok(*value),
        Some(Node::Text(text)) => match text.to_lowercase().as_str() {
            "" | "n" | "no" | "off" => Ok(false),
            "y" | "yes" | "on" => Ok(true),
            other => parse_bool(other).ok_or_else(|| format!("invalid boolean: {text}")),
        },
        _ => Ok(false),
    }
}

/// SSH agents and keys, by their names.
pub(super) fn agents(list: &[Node]) -> Read<Entries> {
    let mut all = Entries::new();
    for entry in list {
        let Node::Text(entry) = entry else { return Err("invalid ssh key type".to_owned()) };
        match entry.split_once('=') {
            Some((id, path)) => _ = all.insert(id.to_owned(), Node::Text(path.to_owned())),
            None if entry == "default" => _ = all.insert(entry.clone(), Node::Null),
            None => return Err(format!("invalid ssh key {entry:?}")),
        }
    }
    Ok(all)
}

impl Builder<'_> {
    /// Whether the services are consistent.
    pub(super) fn check(&self) -> Read<()> {
        const INVALID: &str = "invalid compose project";
        for (name, service) in self.services {
            let Node::Map(fields) = service else { continue };
            let Some(build) = build_of(service) else {
                if text(fields, "image").is_none() {
                    return Err(format!(
                        "service {name:?} has neither an image nor a build context specified: {INVALID}"
                    ));
                }
                continue;
            };
            if text(build, "dockerfile_inline").is_some() && text(build, "dockerfile").is_some() {
                return Err(format!(
                    "service {name:?} declares mutualy exclusive dockerfile and dockerfile_inline: {INVALID}"
                ));
            }
            for (context, value) in pairs(build.get("additional_contexts")) {
                let Some(other) = value.as_deref().and_then(|value| value.strip_prefix("service:")) else { continue };
                match self.services.get(other) {
                    None => {
                        return Err(format!(
                            "service {name:?} declares unknown service {other:?} as additional contexts {context}"
                        ));
                    }
                    Some(service) if build_of(service).is_none() => {
                        return Err(format!(
                            "service {name:?} declares non-buildable service {other:?} as additional contexts {context}"
                        ));
                    }
                    Some(_) => {}
                }
            }
            for secret in secret_names(build) {
                if !self.secrets.contains_key(&secret) {
                    return Err(format!("service {name:?} refers to undefined build secret {secret}: {INVALID}"));
                }
            }
        }
        Ok(())
    }

    /// The target; `None` for a service that is not built.
    pub(super) fn target(&self, name: &str, service: &Node) -> Read<Option<Target>> {
        let (Some(build), Node::Map(fields)) = (build_of(service), service) else { return Ok(None) };
        let target_name = name.replace('.', "_");
        if !target_name.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'-')) {
            return Err(format!("invalid service name {target_name:?}: only \"[a-zA-Z0-9_-]+\" are allowed"));
        }
        let context = match build.get("context") {
            None => Some(".".to_owned()),
            Some(_) => text(build, "context"),
        };
        let labels = pairs(build.get("labels"));
        let mut target = Target {
            name: target_name,
            context,
            contexts: contexts(pairs(build.get("additional_contexts"))),
            dockerfile: text(build, "dockerfile"),
            dockerfile_inline: text(build, "dockerfile_inline"),
            tags: some(texts(build.get("tags"))),
            labels: labels.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect(),
            args: self.args(build, fields)?,
            cache_from: some(parse_caches(&texts(build.get("cache_from")))?),
            cache_to: some(parse_caches(&texts(build.get("cache_to")))?),
            network: text(build, "network"),
            platforms: some(texts(build.get("platforms"))),
            ssh: some(ssh(build)),
            secrets: some(self.secrets(build)?),
            shm_size: shm_size(build)?,
            ulimits: some(ulimits(build)?),
            extra_hosts: hosts(build.get("extra_hosts"))?,
            attest: some(attestations(build)?),
            no_cache: truth(build, "no_cache")?.then_some(true),
            pull: truth(build, "pull")?.then_some(true),
            ..Target::default()
        };
        extend(&mut target, build.get("x-bake"))?;
        target.target = text(build, "target").or(target.target);
        if target.tags.as_ref().is_none_or(Vec::is_empty)
            && let Some(image) = text(fields, "image")
        {
            target.tags = Some(vec![image]);
        }
        Ok(Some(target))
    }

    /// A name without a value takes the service's environment, then the environment.
    fn args(&self, build: &Entries, fields: &Entries) -> Read<BTreeMap<String, String>> {
        let environment = self.environment(fields)?;
        let value = |name: &String| {
            let own = environment.get(name).cloned().flatten();
            own.or_else(|| self.loader.environment.get(name).cloned())
        };
        let args = pairs(build.get("args")).into_iter();
        Ok(args.filter_map(|(name, given)| Some((name.clone(), given.or_else(|| value(&name))?))).collect())
    }

    /// The environment of a service's program: its files, overridden by explicit values.
    fn environment(&self, fields: &Entries) -> Read<BTreeMap<String, Option<String>>> {
        let mut all = BTreeMap::new();
        let files = match fields.get("env_file") {
            Some(Node::List(files)) => files.clone(),
            Some(file @ Node::Text(_)) => vec![file.clone()],
            _ => Vec::new(),
        };
        let mut names: Names = self.loader.environment.clone();
        for file in files {
            let (path, is_required) = match &file {
                Node::Text(path) => (path.clone(), true),
                Node::Map(fields) => {
                    let is_required = !fields.contains_key("required") || truth(fields, "required")?;
                    (text(fields, "path").unwrap_or_default(), is_required)
                }
                _ => continue,
            };
            let read = self.loader.sources.read(&path).map_err(|error| error.to_string())?;
            let Some(content) = read else {
                if is_required {
                    return Err(format!("env file {path} not found"));
                }
                continue;
            };
            let found = dotenv::parse(&content, &names).map_err(|reason| format!("failed to read {path}: {reason}"))?;
            names.extend(found.clone());
            all.extend(found.into_iter().map(|(name, value)| (name, Some(value))));
        }
        all.extend(pairs(fields.get("environment")));
        Ok(all)
    }

    fn secrets(&self, build: &Entries) -> Read<Vec<Secret>> {
        let mut all = Vec::new();
        for name in secret_names(build) {
            let empty = Entries::new();
            let fields = match self.secrets.get(&name) {
                Some(Node::Map(fields)) => fields,
                _ => &empty,
            };
            let is_external = match fields.get("external") {
                Some(Node::Map(_)) => true,
                Some(_) => truth(fields, "external")?,
                None => false,
            };
            if is_external {
                let name = text(fields, "name").unwrap_or_default();
                return Err(format!("unsupported external secret {name}"));
            }
            all.push(Secret {
                id: name,
                source: text(fields, "file").unwrap_or_default(),
                variable: text(fields, "environment").unwrap_or_default(),
            });
        }
        Ok(all)
    }
}

fn secret_names(build: &Entries) -> Vec<String> {
    let Some(Node::List(secrets)) = build.get("secrets") else { return Vec::new() };
    let name = |secret: &Node| match secret {
        Node::Map(fields) => text(fields, "source"),
        other => text_of(other),
    };
    secrets.iter().filter_map(name).collect()
}

/// Contexts that are services are targets.
fn contexts(pairs: BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    let context = |value: String| match value.strip_prefix("service:").or_else(|| value.strip_prefix("target:")) {
        Some(name) => format!("target:{}", name.replace('.', "_")),
        None => value,
    };
    pairs.into_iter().map(|(name, value)| (name, context(value.unwrap_or_default()))).collect()
}

fn ssh(build: &Entries) -> Vec<Ssh> {
    let agents = pairs(build.get("ssh")).into_iter();
    let paths = |path: Option<String>| path.into_iter().filter(|path| !path.is_empty()).collect();
    agents.map(|(id, path)| Ssh { id, paths: paths(path) }).collect()
}

fn hosts(node: Option<&Node>) -> Read<BTreeMap<String, String>> {
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    match node {
        Some(Node::Map(entries)) => {
            for (name, value) in entries {
                hosts.entry(name.clone()).or_default().extend(texts(Some(value)));
            }
        }
        Some(Node::List(elements)) => {
            for element in elements.iter().filter_map(text_of) {
                let Some((name, address)) = element.split_once('=').or_else(|| element.split_once(':')) else {
                    return Err(format!("invalid additional host, missing IP: {element}"));
                };
                hosts.entry(name.to_owned()).or_default().push(address.to_owned());
            }
        }
        _ => {}
    }
    let plain = |address: String| match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.to_owned(),
        None => address,
    };
    Ok(hosts.into_iter().map(|(name, all)| (name, all.into_iter().map(plain).collect::<Vec<_>>().join(","))).collect())
}

/// A size as docker prints it.
fn shm_size(build: &Entries) -> Read<Option<String>> {
    let bytes = match build.get("shm_size") {
        Some(Node::Integer(bytes)) => i64::try_from(*bytes).unwrap_or(0) as f64,
        Some(Node::Text(text)) => parse_size(text).ok_or_else(|| format!("invalid size: '{text}'"))?,
        _ => return Ok(None),
    };
    if bytes <= 0.0 {
        return Ok(None);
    }
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = if size >= 1000.0 {
        0
    } else if size >= 100.0 {
        1
    } else if size >= 10.0 {
        2
    } else {
        3
    };
    let text = format!("{size:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    Ok(Some(format!("{text}{}", units[unit])))
}

fn parse_size(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.rfind(|letter: char| letter.is_ascii_digit() || letter == '.')? + 1;
    let number: f64 = text[..end].trim().parse().ok()?;
    let unit = text[end..].trim().to_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some((number * 1024f64.powi(power)).trunc())
}

fn ulimits(build: &Entries) -> Read<Vec<String>> {
    let Some(Node::Map(limits)) = build.get("ulimits") else { return Ok(Vec::new()) };
    let number = |node: Option<&Node>| match node {
        Some(Node::Integer(number)) => Ok(*number),
        Some(Node::Text(text)) => text.parse().map_err(|_| format!("invalid ulimit value {text:?}")),
        _ => Ok(0),
    };
    let mut all = Vec::new();
    for (name, limit) in limits {
        // As in buildx: a single number is ignored.
        let (soft, hard) = match limit {
            Node::Map(fields) => (number(fields.get("soft"))?, number(fields.get("hard"))?),
            _ => (0, 0),
        };
        all.push(format!("{name}={soft}:{hard}"));
    }
    Ok(all)
}

fn attestations(build: &Entries) -> Read<Vec<Attestation>> {
    let mut all = Vec::new();
    for kind in ["sbom", "provenance"] {
        let Some(value) = text(build, kind) else { continue };
        let text = match parse_bool(&value) {
            Some(is_wanted) => format!("type={kind},disabled={}", !is_wanted),
            None => format!("type={kind},{value}"),
        };
        all.push(Attestation::parse(&text)?);
    }
    Ok(all)
}

/// A field of `x-bake` with several values.
fn list_of(name: &str, value: Option<&Node>) -> Read<Vec<String>> {
    match value {
        None | Some(Node::Null) => Ok(Vec::new()),
        // A string is split at white space.
        Some(Node::Text(text)) => Ok(text.split_whitespace().map(str::to_owned).collect()),
        Some(Node::List(elements)) => {
            let read = elements.iter().map(|element| match element {
                Node::Null => Some(String::new()),
                other => text_of(other),
            });
            read.collect::<Option<_>>().ok_or_else(|| format!("x-bake.{name} must be a list of strings"))
        }
        Some(other) => text_of(other).map(|text| vec![text]).ok_or_else(|| format!("x-bake.{name} must be a list")),
    }
}

fn truth_of(name: &str, value: Option<&Node>) -> Read<Option<bool>> {
    match value {
        None | Some(Node::Null) => Ok(None),
        Some(Node::Bool(value)) => Ok(Some(*value)),
        Some(Node::Text(text)) => match text.to_lowercase().as_str() {
            "y" | "yes" | "on" => Ok(Some(true)),
            "n" | "no" | "off" => Ok(Some(false)),
            _ => Err(format!("x-bake.{name}: cannot unmarshal `{text}` into bool")),
        },
        Some(_) => Err(format!("x-bake.{name} must be a bool")),
    }
}

/// The additions of `x-bake`.
fn extend(target: &mut Target, extension: Option<&Node>) -> Read<()> {
    let fields = match extension {
        None | Some(Node::Null) => return Ok(()),
        Some(Node::Map(fields)) => fields,
        Some(_) => return Err("x-bake must be a mapping".to_owned()),
    };
    let list = |name: &str| list_of(name, fields.get(name));
    let truth = |name: &str| truth_of(name, fields.get(name));
    let joined = |mine: &mut Option<Vec<String>>, more: Vec<String>| {
        if !more.is_empty() {
            *mine = Some(unique(mine.take().unwrap_or_default().into_iter().chain(more)));
        }
    };
    joined(&mut target.tags, list("tags")?);
    joined(&mut target.platforms, list("platforms")?);
    joined(&mut target.no_cache_filter, list("no-cache-filter")?);
    for (name, caches) in [("cache-from", &mut target.cache_from), ("cache-to", &mut target.cache_to)] {
        let more = parse_caches(&list(name)?)?;
        if !more.is_empty() {
            let mut all = caches.take().unwrap_or_default();
            all.extend(more);
            *caches = Some(without_duplicates(all));
        }
    }
    let outputs = parse_all::<Output>(&list("output")?)?;
    if !outputs.is_empty() {
        target.outputs = Some(without_duplicates(outputs));
    }
    let secrets = parse_all::<Secret>(&list("secret")?)?;
    target.secrets = some(replaced(target.secrets.take(), secrets, |secret| secret.id.clone()));
    let agents = parse_all::<Ssh>(&list("ssh")?)?;
    let mut agents = replaced(target.ssh.take(), agents, |agent| agent.id.clone());
    agents.sort_by(|left, right| (&left.id, &left.paths).cmp(&(&right.id, &right.paths)));
    target.ssh = some(agents);
    target.pull = truth("pull")?.or(target.pull);
    target.no_cache = truth("no-cache")?.or(target.no_cache);
    match fields.get("contexts") {
        None | Some(Node::Null) => {}
        Some(Node::Map(_)) => {
            for (name, context) in contexts(pairs(fields.get("contexts"))) {
                target.contexts.entry(name).or_insert(context);
            }
        }
        Some(_) => return Err("x-bake.contexts must be a mapping".to_owned()),
    }
    Ok(())
}

/// A later entry replaces an earlier one of the same name in place.
fn replaced<T>(mine: Option<Vec<T>>, more: Vec<T>, name: fn(&T) -> String) -> Vec<T> {
    let mut all = mine.unwrap_or_default();
    for entry in more {
        match all.iter_mut().find(|known| name(known) == name(&entry)) {
            Some(known) => *known = entry,
            None => all.push(entry),
        }
    }
    all
}
