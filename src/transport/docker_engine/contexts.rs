//! Docker's contexts: a folder for each in `contexts/meta` of docker's settings, named after the SHA-256 of the
//! context's name.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::EngineError;
use super::address::Tls;
use crate::base::hex;

/// The size limit of a context's files.
const LIMIT: usize = 1 << 20;

pub(super) struct Endpoint {
    pub host: String,
    pub tls: Option<Tls>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Option<Docker>,
}

#[derive(Deserialize)]
struct Docker {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_tls_verify: bool,
}

/// The context that `docker context use` chose.
pub(super) fn current() -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        current_context: Option<String>,
    }
    let text = std::fs::read(settings_folder()?.join("config.json")).ok()?;
    let config: Config = serde_json::from_slice(&text).ok()?;
    config.current_context.filter(|name| !name.is_empty())
}

/// The address of the context's engine.
pub(super) fn find(name: &str) -> Result<Endpoint, EngineError> {
    find_in(&settings_folder().unwrap_or_default(), name)
}

fn find_in(folder: &Path, name: &str) -> Result<Endpoint, EngineError> {
    let id = hex::encode(&Sha256::digest(name));
    let unreadable = |reason: String| EngineError::Context { name: name.to_owned(), reason };
    let file = folder.join("contexts/meta").join(&id).join("meta.json");
    let text = match std::fs::read(&file) {
        Ok(text) if text.len() <= LIMIT => text,
        Ok(_) => return Err(unreadable(format!("`{}` is longer than a mebibyte", file.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = folder.display().to_string();
            return Err(EngineError::NoContext { name: name.to_owned(), folder });
        }
        Err(error) => return Err(unreadable(format!("`{}`: {error}", file.display()))),
    };
    let meta: Meta =
        serde_json::from_slice(&text).map_err(|error| unreadable(format!("`{}`: {error}", file.display())))?;
    let docker = meta.endpoints.docker.ok_or_else(|| unreadable("it has no engine of docker's".to_owned()))?;
    let certificates = folder.join("contexts/tls").join(&id).join("docker");
    let has_certificates = certificates.is_dir();
    let tls = (has_certificates || docker.skip_tls_verify)
        .then(|| Tls { folder: has_certificates.then_some(certificates), verify: !docker.skip_tls_verify });
    Ok(Endpoint { host: docker.host, tls })
}

/// The names of all contexts except `default`, in order. Unreadable ones are skipped.
pub fn context_names() -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Named {
        name: String,
    }
    let Some(folder) = settings_folder() else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(folder.join("contexts/meta")) else { return Vec::new() };
    let files = entries.filter_map(Result::ok).map(|entry| entry.path().join("meta.json"));
    let texts = files.filter_map(|file| std::fs::read(file).ok()).filter(|text| text.len() <= LIMIT);
    let mut names: Vec<String> =
        texts.filter_map(|text| serde_json::from_slice::<Named>(&text).ok()).map(|named| named.name).collect();
    names.sort();
    names
}

/// The folder of docker's settings: DOCKER_CONFIG, or `~/.docker`.
pub fn settings_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let id = hex::encode(&Sha256::digest("remote"));
        let meta = folder.path().join("contexts/meta").join(&id);
        std::fs::create_dir_all(&meta).unwrap();
        let text =
            r#"{"Name":"remote","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far:2376","SkipTLSVerify":false}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        std::fs::create_dir_all(folder.path().join("contexts/tls").join(&id).join("docker")).unwrap();
        let found = find_in(folder.path(), "remote").ok().unwrap();
        assert_eq!(found.host, "tcp://far:2376");
        assert!(found.tls.is_some_and(|tls| tls.verify && tls.folder.is_some()));
        assert!(matches!(find_in(folder.path(), "other"), Err(EngineError::NoContext { .. })));
        std::fs::write(meta.join("meta.json"), "{").unwrap();
        assert!(matches!(find_in(folder.path(), "remote"), Err(EngineError::Context { .. })));
    }
}
