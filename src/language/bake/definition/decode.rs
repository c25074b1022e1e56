//! Attributes of targets and groups: values → fields, and back for expressions that refer to them.

use std::collections::BTreeMap;

use crate::language::bake::entries::{
    Attestation, CacheEntry, Entry, Output, RESOURCE_NUMBERS, RESOURCES, Secret, Ssh, check_resource, entries_of,
    parse_cache,
};
use crate::language::bake::policy::Policy;
use crate::language::bake::syntax::{Expression, Step};
use crate::language::bake::target::{Group, Target};
use crate::language::bake::value::{Type, Value, convert};

pub(super) const TARGET_ATTRIBUTES: &[&str] = &[
    "name",
    "matrix",
    "description",
    "inherits",
    "annotations",
    "attest",
    "context",
    "contexts",
    "dockerfile",
    "dockerfile-inline",
    "args",
    "labels",
    "tags",
    "cache-from",
    "cache-to",
    "target",
    "secret",
    "ssh",
    "platforms",
    "output",
    "pull",
    "no-cache",
    "network",
    "no-cache-filter",
    "shm-size",
    "ulimits",
    "resources",
    "policy",
    "call",
    "entitlements",
    "extra-hosts",
];
pub(super) const GROUP_ATTRIBUTES: &[&str] = &["description", "targets", "name", "matrix"];

/// Whether an attribute becomes a field; the others only select targets, or have no effect.
pub(super) fn is_decoded(kind: &str, name: &str) -> bool {
    let known = if kind == "target" { TARGET_ATTRIBUTES } else { GROUP_ATTRIBUTES };
    !matches!(name, "name" | "matrix") && known.contains(&name)
}

type Set<T> = Result<T, String>;

const NULL: &str = "must not be null";

fn converted(value: &Value, kind: &Type) -> Set<Value> {
    convert(value, kind).map_err(|error| error.message)
}

fn text(value: &Value) -> Set<Option<String>> {
    Ok(converted(value, &Type::String)?.as_text().map(str::to_owned))
}

fn truth(value: &Value) -> Set<Option<bool>> {
    Ok(match converted(value, &Type::Bool)? {
        Value::Bool(value) => Some(value),
        _ => None,
    })
}

fn texts(value: &Value) -> Set<Option<Vec<String>>> {
    let list = converted(value, &Type::list(Type::String))?;
    let Some(elements) = list.elements() else { return Ok(None) };
    let texts = elements.iter().map(|element| element.as_text().map(str::to_owned).ok_or_else(|| NULL.to_owned()));
    texts.collect::<Set<_>>().map(Some)
}

/// Names and texts; entries without a value are left out.
fn pairs(value: &Value) -> Set<BTreeMap<String, String>> {
    let map = converted(value, &Type::map(Type::String))?;
    let entries = map.entries().cloned().unwrap_or_default();
    Ok(entries.into_iter().filter_map(|(name, value)| Some((name, value.as_text()?.to_owned()))).collect())
}

fn entries<E: Entry>(value: &Value) -> Set<Option<Vec<E>>> {
    if value.is_null() {
        return Err(NULL.to_owned());
    }
    entries_of(value, |text| Ok(vec![E::parse(text)?])).map(Some)
}

fn caches(value: &Value) -> Set<Option<Vec<CacheEntry>>> {
    if value.is_null() {
        return Err(NULL.to_owned());
    }
    entries_of(value, parse_cache).map(Some)
}

pub(super) fn set_target(target: &mut Target, name: &str, value: &Value) -> Set<()> {
    match name {
        "description" => target.description = text(value)?.ok_or(NULL)?,
        "inherits" => target.inherits = texts(value)?.unwrap_or_default(),
        "annotations" => target.annotations = texts(value)?,
        "attest" => target.attest = entries::<Attestation>(value)?,
        "context" => target.context = text(value)?,
        "contexts" => {
            let map = converted(value, &Type::map(Type::String))?;
            if map.entries().is_some_and(|entries| entries.values().any(Value::is_null)) {
                return Err(NULL.to_owned());
            }
            target.contexts = pairs(value)?;
        }
        "dockerfile" => target.dockerfile = text(value)?,
        "dockerfile-inline" => target.dockerfile_inline = text(value)?,
        "args" => target.args = pairs(value)?,
        "labels" => target.labels = pairs(value)?,
        "tags" => target.tags = texts(value)?,
        "cache-from" => target.cache_from = caches(value)?,
        "cache-to" => target.cache_to = caches(value)?,
        "target" => target.target = text(value)?,
        "secret" => target.secrets = entries::<Secret>(value)?,
        "ssh" => target.ssh = entries::<Ssh>(value)?,
        "platforms" => target.platforms = texts(value)?,
        "output" => target.outputs = entries::<Output>(value)?,
        "pull" => target.pull = truth(value)?,
        "no-cache" => target.no_cache = truth(value)?,
        "network" => target.network = text(value)?,
        "no-cache-filter" => target.no_cache_filter = texts(value)?,
        "shm-size" => target.shm_size = text(value)?,
        "ulimits" => target.ulimits = texts(value)?,
        "resources" => target.resources = resources(value)?,
        "policy" => target.policy = entries::<Policy>(value)?,
        "call" => target.call = text(value)?,
        "entitlements" => target.entitlements = texts(value)?,
        "extra-hosts" => target.extra_hosts = pairs(value)?,
        _ => {}
    }
    Ok(())
}

/// Limits by name; null means no limit.
fn resources(value: &Value) -> Set<BTreeMap<String, String>> {
    let pairs = pairs(value)?;
    pairs.iter().try_for_each(|(name, value)| check_resource(name, value))?;
    Ok(pairs)
}

pub(super) fn set_group(group: &mut Group, name: &str, value: &Value) -> Set<()> {
    match name {
        "description" => group.description = text(value)?.ok_or(NULL)?,
        "targets" => group.targets = texts(value)?,
        _ => {}
    }
    Ok(())
}

fn text_value(text: &Option<String>) -> Value {
    text.clone().map_or(Value::Null(Type::String), Value::text)
}

fn truth_value(value: Option<bool>) -> Value {
    value.map_or(Value::Null(Type::Bool), Value::Bool)
}

fn texts_value(texts: Option<&Vec<String>>) -> Value {
    texts.map_or_else(|| Value::Null(Type::list(Type::String)), |texts| Value::strings(texts.iter().cloned()))
}

fn pairs_value(pairs: &BTreeMap<String, String>) -> Value {
    if pairs.is_empty() {
        return Value::Null(Type::map(Type::String));
    }
    Value::Map(Type::String, pairs.iter().map(|(name, text)| (name.clone(), Value::text(text.clone()))).collect())
}

fn entries_value<E: Entry>(entries: &Option<Vec<E>>) -> Value {
    let entries = entries.iter().flatten().map(Entry::value).collect();
    Value::List(E::kind().of_values(), entries)
}

/// All limits; unset ones are null.
fn resources_value(resources: &BTreeMap<String, String>) -> Value {
    let limit = |name: &&str| {
        let kind = if RESOURCE_NUMBERS.contains(name) { Type::Number } else { Type::String };
        let set = resources.get(*name).and_then(|text| convert(&Value::text(text.clone()), &kind).ok());
        ((*name).to_owned(), set.unwrap_or(Value::Null(kind)))
    };
    Value::Object(RESOURCES.iter().map(limit).collect())
}

/// A target as other expressions see it.
pub(super) fn target_value(target: &Target) -> Value {
    let inherits = if target.inherits.is_empty() { None } else { Some(&target.inherits) };
    let entries = [
        ("name", Value::text(target.name.clone())),
        ("description", Value::text(target.description.clone())),
        ("inherits", texts_value(inherits)),
        ("annotations", texts_value(target.annotations.as_ref())),
        ("attest", entries_value(&target.attest)),
        ("context", text_value(&target.context)),
        ("contexts", pairs_value(&target.contexts)),
        ("dockerfile", text_value(&target.dockerfile)),
        ("dockerfile-inline", text_value(&target.dockerfile_inline)),
        ("args", pairs_value(&target.args)),
        ("labels", pairs_value(&target.labels)),
        ("tags", texts_value(target.tags.as_ref())),
        ("cache-from", entries_value(&target.cache_from)),
        ("cache-to", entries_value(&target.cache_to)),
        ("target", text_value(&target.target)),
        ("secret", entries_value(&target.secrets)),
        ("ssh", entries_value(&target.ssh)),
        ("platforms", texts_value(target.platforms.as_ref())),
        ("output", entries_value(&target.outputs)),
        ("pull", truth_value(target.pull)),
        ("no-cache", truth_value(target.no_cache)),
        ("network", text_value(&target.network)),
        ("no-cache-filter", texts_value(target.no_cache_filter.as_ref())),
        ("shm-size", text_value(&target.shm_size)),
        ("ulimits", texts_value(target.ulimits.as_ref())),
        ("resources", resources_value(&target.resources)),
        ("policy", entries_value(&target.policy)),
        ("call", text_value(&target.call)),
        ("entitlements", texts_value(target.entitlements.as_ref())),
        ("extra-hosts", pairs_value(&target.extra_hosts)),
    ];
    Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(super) fn group_value(group: &Group) -> Value {
    Value::Object(BTreeMap::from([
        ("name".to_owned(), Value::text(group.name.clone())),
        ("description".to_owned(), Value::text(group.description.clone())),
        ("targets".to_owned(), texts_value(group.targets.as_ref())),
    ]))
}

/// The target whose context an expression uses, if it is only that.
pub(super) fn context_reference(expression: &Expression) -> Option<String> {
    let Expression::Variable(traversal) = expression else { return None };
    match traversal.steps.as_slice() {
        [step, Step::Attribute { name, .. }] if traversal.root == "target" && name == "context" => match step {
            Step::Attribute { name, .. } => Some(name.clone()),
            Step::Index { key, .. } => key.as_text().map(str::to_owned),
        },
        _ => None,
    }
}
