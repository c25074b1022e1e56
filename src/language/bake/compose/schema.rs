//! Checks a service's build section against the compose specification's schema.

use std::collections::BTreeMap;

use super::yaml::Node;

/// The valid values of a field.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Texts,
    TextOrTexts,
    Truth,
    TextOrTruth,
    Size,
    ListOrMap,
    Hosts,
    Secrets,
    Ulimits,
    EnvFile,
    Any,
}

const BUILD: [(&str, Shape); 25] = [
    ("context", Shape::Text),
    ("dockerfile", Shape::Text),
    ("dockerfile_inline", Shape::Text),
    ("entitlements", Shape::Texts),
    ("args", Shape::ListOrMap),
    ("ssh", Shape::ListOrMap),
    ("labels", Shape::ListOrMap),
    ("cache_from", Shape::Texts),
    ("cache_to", Shape::Texts),
    ("no_cache", Shape::Truth),
    ("no_cache_filter", Shape::TextOrTexts),
    ("additional_contexts", Shape::ListOrMap),
    ("network", Shape::Text),
    ("provenance", Shape::TextOrTruth),
    ("sbom", Shape::TextOrTruth),
    ("pull", Shape::Truth),
    ("target", Shape::Text),
    ("shm_size", Shape::Size),
    ("extra_hosts", Shape::Hosts),
    ("isolation", Shape::Text),
    ("privileged", Shape::Truth),
    ("secrets", Shape::Secrets),
    ("tags", Shape::Texts),
    ("ulimits", Shape::Ulimits),
    ("platforms", Shape::Texts),
];
const SECRET: [(&str, Shape); 8] = [
    ("name", Shape::Text),
    ("environment", Shape::Text),
    ("file", Shape::Text),
    ("external", Shape::Any),
    ("labels", Shape::ListOrMap),
    ("driver", Shape::Text),
    ("driver_opts", Shape::Any),
    ("template_driver", Shape::Text),
];

type Checked = Result<(), String>;

/// Checks services and secrets.
pub(super) fn check(services: Option<&Node>, secrets: Option<&Node>) -> Checked {
    if let Some(services) = services {
        let Node::Map(services) = services else { return Err("services must be a mapping".to_owned()) };
        for (name, service) in services {
            let is_valid = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
            if name.is_empty() || !name.chars().all(is_valid) {
                return Err(format!("services additional properties '{name}' not allowed"));
            }
            check_service(&format!("services.{name}"), service)?;
        }
    }
    if let Some(secrets) = secrets {
        let Node::Map(secrets) = secrets else { return Err("secrets must be a mapping".to_owned()) };
        for (name, secret) in secrets {
            let path = format!("secrets.{name}");
            let Node::Map(fields) = secret else { return Err(format!("{path} must be a mapping")) };
            check_fields(&path, fields, &SECRET)?;
        }
    }
    Ok(())
}

fn check_service(path: &str, service: &Node) -> Checked {
    let Node::Map(fields) = service else { return Err(format!("{path} must be a mapping")) };
    for (name, shape) in [("image", Shape::Text), ("environment", Shape::ListOrMap), ("env_file", Shape::EnvFile)] {
        if let Some(value) = fields.get(name) {
            check_shape(&format!("{path}.{name}"), value, shape)?;
        }
    }
    match fields.get("build") {
        None | Some(Node::Text(_)) => Ok(()),
        Some(Node::Map(build)) => check_fields(&format!("{path}.build"), build, &BUILD),
        Some(_) => Err(format!("{path}.build must be a string")),
    }
}

fn check_fields(path: &str, fields: &BTreeMap<String, Node>, known: &[(&str, Shape)]) -> Checked {
    for (name, value) in fields {
        match known.iter().find(|(known, _)| known == name) {
            Some((_, shape)) => check_shape(&format!("{path}.{name}"), value, *shape)?,
            None if name.starts_with("x-") => {}
            None => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                let hint = crate::language::bake::evaluation::near(name, &names);
                return Err(format!("{path} additional properties '{name}' not allowed{hint}"));
            }
        }
    }
    Ok(())
}

fn check_shape(path: &str, node: &Node, shape: Shape) -> Checked {
    if *node == Node::Date {
        return Err(format!("{path} invalid jsonType time.Time"));
    }
    let must = |what: &str| Err(format!("{path} must be a {what}"));
    match (shape, node) {
        (Shape::Any, _)
        | (
            Shape::Text | Shape::TextOrTexts | Shape::Truth | Shape::TextOrTruth | Shape::Size | Shape::EnvFile,
            Node::Text(_),
        )
        | (Shape::Truth | Shape::TextOrTruth, Node::Bool(_))
        | (Shape::Size, Node::Integer(_)) => Ok(()),
        (Shape::Text, _) => must("string"),
        (Shape::Truth, _) => must("boolean or string"),
        (Shape::TextOrTruth, _) => must("string or boolean"),
        (Shape::Size, _) => must("integer or string"),
        (Shape::Texts, Node::List(elements)) => check_texts(path, elements, true),
        (Shape::TextOrTexts | Shape::Hosts | Shape::ListOrMap, Node::List(elements)) => {
            check_texts(path, elements, false)
        }
        (Shape::Texts, _) => must("array"),
        (Shape::TextOrTexts, _) => must("string"),
        (Shape::ListOrMap, Node::Map(entries)) => entries.iter().try_for_each(|(name, value)| match value {
            Node::Date => Err(format!("{path}.{name} invalid jsonType time.Time")),
            Node::List(_) | Node::Map(_) => Err(format!("{path}.{name} must be a string, number, boolean or null")),
            _ => Ok(()),
        }),
        (Shape::Hosts, Node::Map(entries)) => entries.iter().try_for_each(|(name, value)| match value {
            Node::Text(_) | Node::List(_) => Ok(()),
            _ => Err(format!("{path}.{name} must be a string")),
        }),
        (Shape::ListOrMap | Shape::Hosts, _) => must("mapping"),
        (Shape::EnvFile, Node::List(_)) => Ok(()),
        (Shape::EnvFile, _) => must("string"),
        (Shape::Secrets, Node::List(elements)) => {
            let mut numbered = elements.iter().enumerate();
            numbered.try_for_each(|(index, element)| check_secret(&format!("{path}.{index}"), element))
        }
        (Shape::Secrets, _) => must("array"),
        (Shape::Ulimits, Node::Map(entries)) => {
            entries.iter().try_for_each(|(name, value)| check_ulimit(&format!("{path}.{name}"), value))
        }
        (Shape::Ulimits, _) => must("mapping"),
    }
}

fn check_texts(path: &str, elements: &[Node], may_repeat: bool) -> Checked {
    let mut seen = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        check_shape(&format!("{path}.{index}"), element, Shape::Text)?;
        if !may_repeat && seen.contains(&element) {
            return Err(format!("{path} items at {index} are equal"));
        }
        seen.push(element);
    }
    Ok(())
}

fn check_secret(path: &str, secret: &Node) -> Checked {
    match secret {
        Node::Text(_) => Ok(()),
        Node::Map(fields) => {
            let mut known = ["source", "target", "uid", "gid"].map(|name| (name, Shape::Text)).to_vec();
            known.push(("mode", Shape::Any));
            check_fields(path, fields, &known)
        }
        _ => Err(format!("{path} must be a string")),
    }
}

fn check_ulimit(path: &str, limit: &Node) -> Checked {
    match limit {
        Node::Integer(_) | Node::Text(_) => Ok(()),
        Node::Map(limits) => {
            if let Some(needed) = ["soft", "hard"].into_iter().find(|needed| !limits.contains_key(*needed)) {
                return Err(format!("{path} missing property '{needed}'"));
            }
            check_fields(path, limits, &[("soft", Shape::Size), ("hard", Shape::Size)])
        }
        _ => Err(format!("{path} must be a integer")),
    }
}
