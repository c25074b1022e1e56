//! Merges compose files.

use std::collections::BTreeMap;

use super::text_of;
use super::yaml::Node;

/// Fields below `services.*` that are written as lists or as maps, and merged as lists.
const LISTS: [&str; 11] = [
    "build.args",
    "build.additional_contexts",
    "build.labels",
    "environment",
    "env_file",
    "labels",
    "label_file",
    "dns",
    "sysctls",
    "tmpfs",
    "annotations",
];
/// Of these, the later entry of a name wins.
const UNIQUE: [&str; 7] =
    ["build.args", "build.additional_contexts", "build.tags", "build.labels", "environment", "labels", "env_file"];

/// `base` with `other` merged on top.
///
/// # Errors
/// If the two are of different kinds.
pub(super) fn merge(base: Node, other: Node, path: &[String]) -> Result<Node, String> {
    let field = field(path);
    match (base, other) {
        (_, Node::Override(other)) => Ok(*other),
        (base, other) if field.as_deref() == Some("build") => merge_maps(as_build(base), as_build(other), path),
        (base, other) if field.as_deref().is_some_and(|field| LISTS.contains(&field)) => {
            let mut all = as_list(&base);
            all.extend(as_list(&other));
            Ok(Node::List(all))
        }
        (base, other) if field.as_deref() == Some("build.extra_hosts") => {
            let mut all = as_list(&base);
            let more: Vec<Node> = as_list(&other).into_iter().filter(|host| !all.contains(host)).collect();
            all.extend(more);
            Ok(Node::List(all))
        }
        (_, other) if matches!(field.as_deref(), Some("command" | "entrypoint" | "healthcheck.test")) => Ok(other),
        (base, Node::Null) => Ok(base),
        (Node::Map(base), Node::Map(other)) => merge_maps(base, other, path),
        (Node::List(mut base), Node::List(other)) => {
            base.extend(other);
            Ok(Node::List(base))
        }
        (Node::Map(_) | Node::List(_), _) if is_loose(field.as_deref()) => Ok(Node::Null),
        (Node::Map(_) | Node::List(_), _) => Err(format!("cannot override {}", path.join("."))),
        (_, other) => Ok(other),
    }
}

/// Fields that do not affect builds, and can be written in several ways.
fn is_loose(field: Option<&str>) -> bool {
    field.is_some_and(|field| !field.starts_with("build") && !matches!(field, "image"))
}

fn merge_maps(
    mut base: BTreeMap<String, Node>,
    other: BTreeMap<String, Node>,
    path: &[String],
) -> Result<Node, String> {
    for (key, value) in other {
        if value == Node::Reset {
            base.remove(&key);
            continue;
        }
        let merged = match base.remove(&key) {
            Some(known) => {
                let mut inner = path.to_vec();
                inner.push(key.clone());
                merge(known, value, &inner)?
            }
            None => value,
        };
        base.insert(key, merged);
    }
    Ok(Node::Map(base))
}

/// The path below a service.
fn field(path: &[String]) -> Option<String> {
    match path {
        [services, _, rest @ ..] if services == "services" && !rest.is_empty() => Some(rest.join(".")),
        _ => None,
    }
}

fn as_build(node: Node) -> BTreeMap<String, Node> {
    match node {
        Node::Map(entries) => entries,
        Node::Text(context) => BTreeMap::from([("context".to_owned(), Node::Text(context))]),
        _ => BTreeMap::new(),
    }
}

/// `NAME=VALUE` for each entry of a map.
pub(super) fn as_list(node: &Node) -> Vec<Node> {
    match node {
        Node::Map(entries) => {
            let mut all: Vec<String> = Vec::new();
            for (key, value) in entries {
                match value {
                    Node::Null => all.push(key.clone()),
                    Node::List(values) => {
                        all.extend(values.iter().map(|value| format!("{key}={}", text_of(value).unwrap_or_default())));
                    }
                    other => all.push(format!("{key}={}", text_of(other).unwrap_or_default())),
                }
            }
            all.sort();
            all.into_iter().map(Node::Text).collect()
        }
        Node::List(elements) => elements.clone(),
        Node::Text(text) => vec![Node::Text(text.clone())],
        _ => Vec::new(),
    }
}

/// Keeps the last of several entries of one name, at the position of the first.
pub(super) fn make_unique(service: &mut BTreeMap<String, Node>) {
    for path in UNIQUE {
        let node = match path.split_once('.') {
            None => service.get_mut(path),
            Some((outer, inner)) => match service.get_mut(outer) {
                Some(Node::Map(entries)) => entries.get_mut(inner),
                _ => None,
            },
        };
        let Some(Node::List(elements)) = node else { continue };
        let mut kept: Vec<Node> = Vec::new();
        for element in std::mem::take(elements) {
            let name = |node: &Node| match node {
                Node::Text(text) => text.split('=').next().map(str::to_owned),
                _ => None,
            };
            match kept.iter_mut().find(|known| name(known).is_some() && name(known) == name(&element)) {
                Some(known) => *known = element,
                None => kept.push(element),
            }
        }
        *elements = kept;
    }
}

/// Removes marks that had nothing to replace.
pub(super) fn settle(node: &mut Node) {
    if let Node::Override(inner) = node {
        *node = std::mem::replace(inner, Node::Null);
    }
    match node {
        Node::List(elements) => {
            elements.retain(|element| *element != Node::Reset);
            elements.iter_mut().for_each(settle);
        }
        Node::Map(entries) => {
            entries.retain(|_, value| *value != Node::Reset);
            entries.values_mut().for_each(settle);
        }
        _ => {}
    }
}
