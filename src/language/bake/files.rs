//! Which files there are, and what each of them is.

use std::path::Path;

/// A bake file, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BakeFile {
    /// As it was named; `-` for standard input.
    pub name: String,
    pub text: String,
}

/// What is read where no file is named: all of them that are there, in this order.
pub const DEFAULT_NAMES: [&str; 8] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
];

/// What the name of a file says of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Compose,
    Json,
    Hcl,
    Unknown,
}

pub(super) fn named(name: &str) -> Named {
    let lower = name.to_lowercase();
    let ends = |suffix: &str| lower.ends_with(suffix);
    if ends(".yml") || ends(".yaml") {
        Named::Compose
    } else if ends(".json") {
        Named::Json
    } else if ends(".hcl") {
        Named::Hcl
    } else {
        Named::Unknown
    }
}

/// The folder that a file is in; none for standard input and for what is elsewhere.
pub(super) fn folder(name: &str) -> Option<String> {
    if name.is_empty() || name == "-" || is_remote(name) {
        return None;
    }
    let parent = Path::new(name).parent().map(|parent| parent.display().to_string()).unwrap_or_default();
    Some(if parent.is_empty() { ".".to_owned() } else { parent })
}

/// Whether a text is the address of something that is not on this machine.
pub fn is_remote(text: &str) -> bool {
    crate::base::urls::is_http_url(text) || crate::base::urls::is_git_url(text)
}
