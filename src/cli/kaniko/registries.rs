//! kaniko's flags and variables about registries: mirrors, certificates, retries.

use std::path::{Path, PathBuf};

use crate::cli::CliError;
use crate::image::Reference;
use crate::transport::registry::{Limits, Settings};

/// The folder with the files of kaniko's image.
const FOLDER: &str = "/kaniko";

#[derive(Debug, clap::Args)]
pub(super) struct RegistryArgs {
    /// Mirror of docker.io; may be given several times [also: KANIKO_REGISTRY_MIRROR]
    #[arg(long = "registry-mirror", value_name = "HOST[/PATH]")]
    mirrors: Vec<String>,
    /// Mirrors of registries: `REGISTRY=HOST[/PATH][;REGISTRY=HOST[/PATH]]` [also: KANIKO_REGISTRY_MAP]
    #[arg(long = "registry-map", value_name = "MAP")]
    maps: Vec<String>,
    /// Look nowhere else for what the mirrors have not got
    #[arg(long)]
    skip_default_registry_fallback: bool,
    /// Push over plain HTTP too
    #[arg(long)]
    insecure: bool,
    /// Pull over plain HTTP too
    #[arg(long)]
    insecure_pull: bool,
    /// Registry that plain HTTP may be spoken with; may be given several times
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    insecure_registries: Vec<String>,
    /// Push also where nobody vouches for the certificate
    #[arg(long)]
    skip_tls_verify: bool,
    /// Pull also where nobody vouches for the certificate
    #[arg(long)]
    skip_tls_verify_pull: bool,
    /// Registry whose certificate nobody needs to vouch for; may be given several times
    #[arg(long = "skip-tls-verify-registry", value_name = "HOST[:PORT]")]
    unverified_registries: Vec<String>,
    /// Authority to trust with a registry: HOST[:PORT]=FILE
    #[arg(long = "registry-certificate", value_name = "HOST=FILE")]
    certificates: Vec<String>,
    /// Certificate and key to show a registry: HOST[:PORT]=FILE,KEY
    #[arg(long = "registry-client-cert", value_name = "HOST=FILE,KEY")]
    client_certificates: Vec<String>,
    /// How often to push again what failed, beyond the usual tries
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    push_retry: u32,
    /// How often to pull again what failed, beyond the usual tries
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    image_download_retry: u32,
    /// A tag that the registry lets nobody move is no failure
    #[arg(long)]
    pub push_ignore_immutable_tag_errors: bool,
}

impl RegistryArgs {
    /// Applies the flags to the settings. `pushed` are the names that are pushed.
    pub fn settle(&self, settings: &mut Settings, pushed: &[Reference]) -> Result<(), CliError> {
        let variable = |name: &str| std::env::var(name).ok();
        let hub = self.mirrors.iter().cloned().chain(variable("KANIKO_REGISTRY_MIRROR"));
        let mut mirrors: Vec<(String, String)> = hub.map(|mirror| ("docker.io".to_owned(), mirror)).collect();
        for map in self.maps.iter().cloned().chain(variable("KANIKO_REGISTRY_MAP")) {
            for pair in map.split(';').filter(|pair| !pair.is_empty()) {
                let (from, to) = split(pair, "--registry-map", "REGISTRY=MIRROR")?;
                let from = if from == "index.docker.io" { "docker.io" } else { from };
                mirrors.push((from.to_owned(), to.to_owned()));
            }
        }
        let mut registries: Vec<&str> = mirrors.iter().map(|(registry, _)| registry.as_str()).collect();
        registries.sort_unstable();
        registries.dedup();
        for registry in registries {
            let of_it = mirrors.iter().filter(|(other, _)| other == registry);
            let of_it: Vec<String> = of_it.map(|(_, mirror)| bare(mirror)).collect();
            settings.add_mirrors(registry, &of_it, self.skip_default_registry_fallback);
        }
        if self.insecure_pull || self.skip_tls_verify_pull {
            settings.allow_all_insecure();
        }
        if self.insecure || self.skip_tls_verify {
            settings.allow_insecure(pushed.iter().map(Reference::domain));
        }
        settings.allow_insecure(self.insecure_registries.iter().chain(&self.unverified_registries).map(String::as_str));
        for pair in &self.certificates {
            let (host, file) = split(pair, "--registry-certificate", "HOST=FILE")?;
            settings.trust(host, PathBuf::from(file));
        }
        for pair in &self.client_certificates {
            let form = "HOST=FILE,KEY";
            let (host, files) = split(pair, "--registry-client-cert", form)?;
            let wrong = || CliError::new(format!("invalid --registry-client-cert `{pair}`: it is {form}"));
            let (certificate, key) = files.split_once(',').ok_or_else(wrong)?;
            settings.show(host, PathBuf::from(certificate), PathBuf::from(key));
        }
        let retries = self.push_retry.max(self.image_download_retry);
        settings.limits.tries = Limits::TRIES.max(retries.saturating_add(1));
        Ok(())
    }
}

fn split<'a>(pair: &'a str, option: &str, form: &str) -> Result<(&'a str, &'a str), CliError> {
    let split = pair.split_once('=').filter(|(key, value)| !key.is_empty() && !value.is_empty());
    split.ok_or_else(|| CliError::new(format!("invalid {option} `{pair}`: it is {form}")))
}

fn bare(mirror: &str) -> String {
    mirror.split_once("://").map_or(mirror, |(_, rest)| rest).trim_end_matches('/').to_owned()
}

/// The location of the credentials: the given folder, or that of docker's variables, or kaniko's own folder if it has
/// some.
pub(super) fn credentials(typed: Option<&Path>) -> Option<PathBuf> {
    let file = |folder: &Path| folder.join(".docker/config.json");
    if let Some(folder) = typed.filter(|folder| *folder != Path::new(FOLDER)) {
        return Some(file(folder));
    }
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("DOCKER_CONFIG") || is_set("REGISTRY_AUTH_FILE") {
        return None;
    }
    let folder = std::env::var_os("KANIKO_DIR").filter(|folder| !folder.is_empty());
    let folder = folder.map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
    Some(file(&folder)).filter(|file| file.exists())
}
