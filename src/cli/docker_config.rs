//! The user's settings for docker's CLI in `config.json` and in the environment: formats, keys, proxies, the platform.
//! Credentials in the same file are read by `registry`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::cli::{CliError, output};
use crate::image::Platform;
use crate::transport::docker_engine::settings_folder;

/// The part of docker's `config.json` about input and output.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DockerConfig {
    pub ps_format: String,
    pub images_format: String,
    pub networks_format: String,
    pub volumes_format: String,
    pub stats_format: String,
    pub detach_keys: String,
    pub prune_filters: Vec<String>,
    pub current_context: String,
    proxies: BTreeMap<String, Proxies>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Proxies {
    http_proxy: String,
    https_proxy: String,
    no_proxy: String,
    ftp_proxy: String,
    all_proxy: String,
}

impl DockerConfig {
    /// Reads docker's file. A missing one is empty; like docker, warns of one that can't be read, and ignores it.
    pub fn read() -> Self {
        Self::try_read().unwrap_or_else(|(path, reason)| {
            output::say(format!("warning: cannot read `{}`: {reason}", path.display()));
            Self::default()
        })
    }

    /// The same without a warning, for settings that every command reads: the other readers warn.
    pub fn read_in_silence() -> Self {
        Self::try_read().unwrap_or_default()
    }

    fn try_read() -> Result<Self, (PathBuf, String)> {
        let Some(path) = path() else { return Ok(Self::default()) };
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err((path, error.to_string())),
            Ok(text) => text,
        };
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(&text).map_err(|error| (path, error.to_string()))
    }

    /// The proxy variables, in lower and upper case, without those that `is_known` accepts.
    pub fn proxies(&self, is_known: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let Some(proxies) = self.proxies.get(&host).or_else(|| self.proxies.get("default")) else { return Vec::new() };
        let named = [
            ("HTTP_PROXY", &proxies.http_proxy),
            ("HTTPS_PROXY", &proxies.https_proxy),
            ("NO_PROXY", &proxies.no_proxy),
            ("FTP_PROXY", &proxies.ftp_proxy),
            ("ALL_PROXY", &proxies.all_proxy),
        ];
        let set = named.into_iter().filter(|(_, value)| !value.is_empty());
        let both = set.flat_map(|(name, value)| [(name.to_owned(), value), (name.to_ascii_lowercase(), value)]);
        both.filter(|(name, _)| !is_known(name)).map(|(name, value)| (name, value.clone())).collect()
    }
}

/// The filters of a prune: the typed ones, and those in the settings. A typed label overrides its opposite in the
/// settings.
pub fn prune_filters(typed: &[String]) -> Vec<String> {
    merged(typed, DockerConfig::read().prune_filters)
}

fn merged(typed: &[String], set: Vec<String>) -> Vec<String> {
    let is_contradicted = |filter: &String| match filter.split_once('=') {
        Some(("label", value)) => typed.contains(&format!("label!={value}")),
        Some(("label!", value)) => typed.contains(&format!("label={value}")),
        Some(_) => false,
        // docker ignores invalid filters.
        None => true,
    };
    let set = set.into_iter().filter(|filter| !is_contradicted(filter));
    typed.iter().cloned().chain(set).collect()
}

/// The typed format, or else that of the settings; an empty text counts as none.
pub fn format_or(typed: Option<&str>, quiet: bool, set: impl FnOnce(DockerConfig) -> String) -> Option<String> {
    match typed.filter(|text| !text.is_empty()) {
        Some(text) => Some(text.to_owned()),
        None if quiet => None,
        None => Some(set(DockerConfig::read())).filter(|text| !text.is_empty()),
    }
}

fn path() -> Option<PathBuf> {
    Some(settings_folder()?.join("config.json"))
}

/// The typed platform, or else that of DOCKER_DEFAULT_PLATFORM.
pub fn platform_or_default(typed: Option<&Platform>) -> Result<Option<Platform>, CliError> {
    if let Some(platform) = typed {
        return Ok(Some(platform.clone()));
    }
    let set = std::env::var("DOCKER_DEFAULT_PLATFORM").ok().filter(|text| !text.is_empty());
    let wrong = |error| CliError::from(error).context("DOCKER_DEFAULT_PLATFORM");
    set.map(|text| crate::cli::build::values::platform(&text).map_err(wrong)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_have_two_names_and_what_is_known_stays() {
        let text = r#"{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "localhost"}}, "psFormat": "x"}"#;
        let config: DockerConfig = serde_json::from_str(text).unwrap();
        let proxies = config.proxies(|name| name == "http_proxy");
        let names: Vec<&str> = proxies.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["HTTP_PROXY", "NO_PROXY", "no_proxy"]);
        assert_eq!(config.ps_format, "x");
        assert!(DockerConfig::default().proxies(|_| false).is_empty());
    }

    #[test]
    fn filters_that_are_set_give_way_to_their_opposite() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let set = || words(&["label!=keep", "label=x", "until=1h", "nonsense"]);
        assert_eq!(merged(&[], set()), ["label!=keep", "label=x", "until=1h"]);
        assert_eq!(merged(&words(&["label=keep"]), set()), ["label=keep", "label=x", "until=1h"]);
        assert_eq!(merged(&words(&["label!=x"]), set()), ["label!=x", "label!=keep", "until=1h"]);
    }
}
