//! The bake files to read, and the type of each.

use std::path::Path;

/// A bake file as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BakeFile {
    /// Its name as given; `-` for standard input.
    pub name: String,
    pub text: String,
}

/// The default files: all that exist, in this order.
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

/// The type that a file's name implies.
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

/// A file's folder; `None` for standard input and remote files.
pub(super) fn folder(name: &str) -> Option<String> {
    if name.is_empty() || name == "-" || is_remote(name) {
        return None;
    }
    let parent = Path::new(name).parent().map(|parent| parent.display().to_string()).unwrap_or_default();
    Some(if parent.is_empty() { ".".to_owned() } else { parent })
}

/// Whether a text is a remote address.
pub fn is_remote(text: &str) -> bool {
    crate::base::urls::is_http_url(text) || crate::base::urls::is_git_url(text)
}
