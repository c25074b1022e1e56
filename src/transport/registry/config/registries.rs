//! rbuild's own `registries.toml`, and the registry settings in docker's `daemon.json`.
//!
//! ```toml
//! [[registry]]
//! prefix = "docker.io"              # HOST, HOST/PATH or *.DOMAIN; the longest match wins
//! location = "registry.example/hub" # optional: where these images really are
//! insecure = false                  # plain HTTP, and unverified certificates
//! blocked = false
//!
//! [[registry.mirror]]               # tried first, in this order
//! location = "mirror.example:5000/hub"
//! insecure = true
//!
//! [limits]
//! slowest = 1024                    # bytes per second below which a transfer counts as stalled; 0: never
//! window = 60                       # seconds of waiting over which that is measured
//! ```

use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::buildkitd::BuildkitRegistries;
use super::daemon_json::DaemonJson;
use crate::base::io_error::AtPath;
use crate::transport::registry::RegistryError;
use crate::transport::registry::http::Endpoint;

/// Where images are looked up by name.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    /// Entries of the user's file first, then those of the system's.
    entries: Vec<(PathBuf, Entry)>,
    daemon: DaemonJson,
    /// Only for this command.
    insecure: Vec<String>,
    all_insecure: bool,
    /// From the first file that has the setting.
    pub(in crate::transport::registry) slowest: Option<u64>,
    pub(in crate::transport::registry) window: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    registry: Vec<Entry>,
    #[serde(default)]
    limits: FileLimits,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    slowest: Option<u64>,
    window: Option<NonZeroU64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    prefix: Option<String>,
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
    /// Reads go to the mirrors alone: the registry itself is not asked for what they lack.
    #[serde(skip)]
    only_mirrors: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mirror {
    pub(super) location: String,
    #[serde(default)]
    pub(super) insecure: bool,
}

impl Entry {
    pub(super) fn of_host(host: String, insecure: bool, mirror: Vec<Mirror>) -> Self {
        Self { prefix: Some(host), location: None, insecure, blocked: false, mirror, only_mirrors: false }
    }

    fn prefix(&self) -> &str {
        self.prefix.as_deref().or(self.location.as_deref()).unwrap_or_default()
    }

    /// The rest of the name after the prefix, if it starts with the prefix.
    fn rest<'a>(&self, host: &str, name: &'a str) -> Option<&'a str> {
        let prefix = self.prefix();
        if let Some(domain) = prefix.strip_prefix("*.") {
            let host_only = host.split(':').next().unwrap_or(host);
            let fits = host_only.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
            return fits.then(|| &name[host.len()..]);
        }
        name.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
    }
}

impl Registries {
    /// Reads all existing `files`, and the first of `daemon_files`.
    pub fn read(files: &[PathBuf], daemon_files: &[PathBuf]) -> Result<Self, RegistryError> {
        let mut all = Self { daemon: DaemonJson::read(daemon_files)?, ..Self::default() };
        for path in files {
            let text = match std::fs::read_to_string(path) {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    continue;
                }
                text => text.at("read", path)?,
            };
            let file = parse(path, &text)?;
            all.entries.extend(file.registry.into_iter().map(|entry| (path.clone(), entry)));
            all.slowest = all.slowest.or(file.limits.slowest);
            all.window = all.window.or(file.limits.window.map(NonZeroU64::get));
        }
        Ok(all)
    }

    /// A builder's settings override those of files.
    pub(in crate::transport::registry) fn put_before(&mut self, builder: &BuildkitRegistries) {
        self.entries.splice(0..0, builder.entries.iter().cloned());
    }

    pub(in crate::transport::registry) fn allow_insecure<'a>(&mut self, hosts: impl IntoIterator<Item = &'a str>) {
        self.insecure.extend(hosts.into_iter().map(str::to_owned));
    }

    pub(in crate::transport::registry) fn allow_all_insecure(&mut self) {
        self.all_insecure = true;
    }

    /// Adds mirrors of a registry, in this order. They come before those of files.
    pub(in crate::transport::registry) fn add_mirrors(&mut self, registry: &str, mirrors: &[String], only: bool) {
        let mirror = mirrors.iter().map(|location| Mirror { location: location.clone(), insecure: false }).collect();
        let prefix = Some(registry.to_owned());
        let entry = Entry { prefix, location: None, insecure: false, blocked: false, mirror, only_mirrors: only };
        self.entries.insert(0, (PathBuf::from("the command line"), entry));
    }

    /// Whether plain HTTP, and unverified certificates, are allowed for the host.
    pub fn is_insecure(&self, host: &str) -> bool {
        let listed = self.entries.iter().any(|(_, entry)| {
            let location = entry.location.as_deref().unwrap_or(entry.prefix());
            let mirrors = entry.mirror.iter().map(|mirror| (mirror.location.as_str(), mirror.insecure));
            mirrors
                .chain([(location, entry.insecure)])
                .any(|(location, insecure)| insecure && location.split('/').next() == Some(host))
        });
        let is_plain_mirror = || {
            let mirrors = self.daemon.registry_mirrors.iter();
            let mut plain = mirrors.filter_map(|mirror| mirror.strip_prefix("http://"));
            plain.any(|mirror| mirror.split('/').next() == Some(host))
        };
        self.all_insecure
            || listed
            || self.insecure.iter().any(|known| known == host)
            || self.daemon.is_insecure(host)
            || is_plain_mirror()
    }

    /// The locations from which a repository is read, in order. The last one is where it is written.
    pub(in crate::transport::registry) fn endpoints(
        &self,
        host: &str,
        path: &str,
    ) -> Result<Vec<Endpoint>, RegistryError> {
        let name = format!("{host}/{path}");
        let fitting = self.entries.iter().filter(|(_, entry)| entry.rest(host, &name).is_some());
        // The first of equally long ones; max_by_key would return the last.
        let found = fitting.rev().max_by_key(|(_, entry)| entry.prefix().len());
        let mut endpoints = Vec::new();
        let mut origin = name.clone();
        let mut is_read = true;
        if let Some((file, entry)) = found {
            if entry.blocked {
                return Err(RegistryError::Blocked { host: host.to_owned(), path: file.clone() });
            }
            let rest = entry.rest(host, &name).unwrap_or_default();
            endpoints.extend(entry.mirror.iter().map(|mirror| format!("{}{rest}", mirror.location)));
            is_read = !entry.only_mirrors;
            if let Some(location) = &entry.location {
                origin = format!("{location}{rest}");
            }
        }
        if host == "docker.io" {
            endpoints.extend(self.daemon.registry_mirrors.iter().map(|mirror| {
                let location = mirror.split_once("://").map_or(mirror.as_str(), |(_, rest)| rest);
                format!("{}/{path}", location.trim_end_matches('/'))
            }));
        }
        let mirrors = endpoints.into_iter().map(|name| Endpoint { is_mirror: true, ..self.endpoint(&name) });
        Ok(mirrors.chain([Endpoint { is_read, ..self.endpoint(&origin) }]).collect())
    }

    fn endpoint(&self, name: &str) -> Endpoint {
        let (host, repository) = name.split_once('/').unwrap_or((name, ""));
        let endpoint = Endpoint::new(host, repository);
        let insecure = endpoint.insecure || self.is_insecure(host);
        Endpoint { insecure, ..endpoint }
    }
}

pub(super) fn check_location(location: &str) -> Result<(), String> {
    if location.contains("://") || location.ends_with('/') || location.is_empty() {
        return Err(format!("`{location}` is to be HOST[:PORT][/PATH]"));
    }
    Ok(())
}

fn parse(path: &Path, text: &str) -> Result<File, RegistryError> {
    let wrong = |reason: String| RegistryError::Configuration { path: path.to_owned(), reason };
    let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
    for entry in &file.registry {
        let locations = entry.mirror.iter().map(|mirror| mirror.location.as_str()).chain(entry.location.as_deref());
        if entry.prefix().is_empty() {
            return Err(wrong("a [[registry]] needs a prefix or a location".to_owned()));
        }
        for location in locations.chain([entry.prefix()]) {
            check_location(location).map_err(wrong)?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registries(text: &str, daemon: &str) -> Registries {
        let path = Path::new("registries.toml");
        let file = parse(path, text).unwrap();
        let entries = file.registry.into_iter().map(|entry| (path.to_owned(), entry)).collect();
        Registries { entries, daemon: serde_json::from_str(daemon).unwrap(), ..Registries::default() }
    }

    fn names(registries: &Registries, host: &str, path: &str) -> Vec<String> {
        let endpoints = registries.endpoints(host, path).unwrap();
        endpoints.iter().map(|endpoint| format!("{}/{}", endpoint.host, endpoint.repository)).collect()
    }

    #[test]
    fn the_longest_prefix_counts() {
        let registries = registries(
            r#"
            [[registry]]
            prefix = "docker.io"
            [[registry.mirror]]
            location = "mirror.example:5000/hub"
            insecure = true

            [[registry]]
            prefix = "docker.io/library"
            location = "official.example"

            [[registry]]
            prefix = "*.corp.example"
            blocked = true
            "#,
            "{}",
        );
        assert_eq!(names(&registries, "docker.io", "me/app"), ["mirror.example:5000/hub/me/app", "docker.io/me/app"]);
        assert_eq!(names(&registries, "docker.io", "library/python"), ["official.example/python"]);
        assert_eq!(names(&registries, "ghcr.io", "a/b"), ["ghcr.io/a/b"]);
        assert!(registries.endpoints("r.corp.example", "a").is_err());
        assert!(registries.is_insecure("mirror.example:5000") && !registries.is_insecure("docker.io"));
    }

    #[test]
    fn dockers_mirrors_are_of_the_hub() {
        let registries = registries("", r#"{"registry-mirrors": ["http://m:1/", "https://n"]}"#);
        assert_eq!(
            names(&registries, "docker.io", "library/a"),
            ["m:1/library/a", "n/library/a", "docker.io/library/a"]
        );
        assert_eq!(names(&registries, "quay.io", "a"), ["quay.io/a"]);
        assert!(registries.is_insecure("m:1") && !registries.is_insecure("n"));
    }

    #[test]
    fn what_a_builder_says_counts_first() {
        let mut registries = registries("[[registry]]\nprefix = \"a.example\"\nlocation = \"b.example\"", "{}");
        let text = "[registry.\"a.example\"]\nmirrors = [\"m:1/x\"]\n[registry.\"m:1\"]\nhttp = true\n\
                    [registry.\"c.example\"]\ninsecure = true\n";
        registries.put_before(&BuildkitRegistries::parse(Path::new("buildkitd.toml"), text).unwrap());
        assert_eq!(names(&registries, "a.example", "i"), ["m:1/x/i", "a.example/i"]);
        assert!(["m:1", "c.example"].iter().all(|host| registries.is_insecure(host)));
        assert!(!registries.is_insecure("a.example"));
    }

    #[test]
    fn mistakes_are_shown_with_their_file() {
        for (text, expected) in [
            ("[[registry]]\nprefx = \"a\"", "prefx"),
            ("[[registry]]\ninsecure = true", "needs a prefix"),
            ("[limits]\nwindow = 0", "window"),
            ("[[registry]]\nprefix = \"https://a\"", "HOST[:PORT]"),
        ] {
            let message = parse(Path::new("r.toml"), text).unwrap_err().to_string();
            assert!(message.contains("r.toml") && message.contains(expected), "{message}");
        }
    }
}
