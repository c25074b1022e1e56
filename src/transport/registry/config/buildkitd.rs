//! The registry settings in `buildkitd.toml`, which `buildx create --buildkitd-config` is given.
//!
//! ```toml
//! [registry."docker.io"]
//! mirrors = ["mirror.example:5000/hub"] # tried first, in this order
//! http = true                           # plain HTTP
//! insecure = true                       # unverified certificates
//! ca = ["/etc/ssl/own.pem"]             # authorities besides the system's
//! tlsconfigdir = ["/etc/certs"]         # a folder as in certs.d
//! [[registry."docker.io".keypair]]      # who the client is
//! cert = "/etc/ssl/client.pem"
//! key = "/etc/ssl/client-key.pem"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Certificates;
use super::registries::{Entry, Mirror, check_location};
use crate::transport::registry::RegistryError;

/// A builder's registry settings.
#[derive(Debug, Clone, Default)]
pub struct BuildkitRegistries {
    pub(super) entries: Vec<(PathBuf, Entry)>,
    pub(in crate::transport::registry) certificates: BTreeMap<String, Certificates>,
    /// Whether the file has other settings, which only concern BuildKit's daemon.
    pub says_more: bool,
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    registry: BTreeMap<String, Registry>,
    #[serde(flatten)]
    others: BTreeMap<String, toml::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Registry {
    mirrors: Vec<String>,
    http: bool,
    insecure: bool,
    ca: Vec<PathBuf>,
    keypair: Vec<KeyPair>,
    tlsconfigdir: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct KeyPair {
    key: PathBuf,
    cert: PathBuf,
}

impl BuildkitRegistries {
    /// Parses the file's content; errors name `path`.
    ///
    /// # Errors
    /// If it is not valid TOML of that form, or names certificates by relative paths: a build may run in another
    /// folder.
    pub fn parse(path: &Path, text: &str) -> Result<Self, RegistryError> {
        let wrong = |reason: String| RegistryError::Configuration { path: path.to_owned(), reason };
        let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        let mut found = Self { says_more: !file.others.is_empty(), ..Self::default() };
        for (host, registry) in file.registry {
            for location in registry.mirrors.iter().chain([&host]) {
                check_location(location).map_err(wrong)?;
            }
            let certificates = registry.certificates();
            if let Some(path) = certificates.paths().find(|path| !path.is_absolute()) {
                return Err(wrong(format!("`{}`: certificates are named by whole paths", path.display())));
            }
            if certificates != Certificates::default() {
                found.certificates.insert(host.clone(), certificates);
            }
            let mirror = registry.mirrors.into_iter().map(|location| Mirror { location, insecure: false }).collect();
            found.entries.push((path.to_owned(), Entry::of_host(host, registry.http || registry.insecure, mirror)));
        }
        Ok(found)
    }

    /// The certificate files that it names, which must exist when a build starts.
    pub fn certificate_files(&self) -> impl Iterator<Item = &Path> {
        self.certificates.values().flat_map(Certificates::paths)
    }
}

impl Registry {
    fn certificates(&self) -> Certificates {
        let folders: Vec<Certificates> =
            self.tlsconfigdir.iter().filter_map(|folder| Certificates::read(folder)).collect();
        let pair = self.keypair.first().map(|pair| (pair.cert.clone(), pair.key.clone()));
        Certificates {
            authorities: self.ca.iter().chain(folders.iter().flat_map(|folder| &folder.authorities)).cloned().collect(),
            client: pair.or_else(|| folders.iter().find_map(|folder| folder.client.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BuildkitRegistries, RegistryError> {
        BuildkitRegistries::parse(Path::new("buildkitd.toml"), text)
    }

    #[test]
    fn what_it_says() {
        let found = parse(
            "debug = true\n[registry.\"docker.io\"]\nmirrors = [\"m:1/hub\", \"n\"]\n[registry.\"m:1\"]\nhttp = true\n\
             [registry.\"r.example\"]\nca = [\"/a.pem\"]\n[[registry.\"r.example\".keypair]]\nkey = \"/k\"\ncert = \"/c\"\n",
        )
        .unwrap();
        assert!(found.says_more);
        assert_eq!(found.certificate_files().collect::<Vec<_>>(), ["/a.pem", "/c", "/k"].map(Path::new));
        assert!(!parse("[registry.a]\nhttp = true").unwrap().says_more);
    }

    #[test]
    fn mistakes_are_shown_with_their_file() {
        for (text, expected) in [
            ("[registry.a]\nca = [\"ca.pem\"]", "whole paths"),
            ("[registry.a]\nhttp = 1", "invalid type"),
            ("[registry.a]\nmirrors = [\"https://b\"]", "HOST[:PORT]"),
            ("[registry", "buildkitd.toml"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("buildkitd.toml") && message.contains(expected), "{message}");
        }
    }
}
