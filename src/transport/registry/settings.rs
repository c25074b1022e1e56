//! The user's registry settings, read from docker's and rbuild's files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::config::{BuildkitRegistries, Certificates, Registries};
use super::{GivenCredentials, Limits, RegistryError};

/// Milliseconds before the second try of a request, for tests and impatient users.
const PAUSE: &str = "RBUILD_REGISTRY_PAUSE_MS";

fn pause_from(value: Option<PathBuf>) -> Result<Duration, RegistryError> {
    let Some(value) = value else { return Ok(Limits::default().pause) };
    let milliseconds = value.to_str().and_then(|text| text.parse().ok());
    milliseconds.map(Duration::from_millis).ok_or_else(|| RegistryError::Configuration {
        path: PathBuf::from(PAUSE),
        reason: "it is a number of milliseconds".to_owned(),
    })
}

/// What requests depend on besides their subject. By default nothing is configured.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Docker's `config.json`, with the credentials. It need not exist.
    pub docker_config: Option<PathBuf>,
    /// Credentials that a caller supplied, instead of those in that file.
    pub credentials: Option<GivenCredentials>,
    /// Mirrors, insecure and blocked registries.
    pub registries: Arc<Registries>,
    /// Folders like docker's `certs.d`; the first that has something for a host is used.
    pub certificate_folders: Vec<PathBuf>,
    /// Certificates given for hosts, instead of those in the folders.
    pub certificates: BTreeMap<String, Certificates>,
    /// A certificate authority for all hosts, besides the system's.
    pub authority: Option<PathBuf>,
    pub limits: Limits,
}

impl Settings {
    /// The settings in docker's and rbuild's own files, located by the environment and the home folder.
    pub fn from_environment() -> Result<Self, RegistryError> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = variable("HOME");
        let in_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let user = variable("XDG_CONFIG_HOME").or_else(|| in_home(".config"));
        let docker = variable("DOCKER_CONFIG").or_else(|| in_home(".docker"));
        let below_user = |path: &str| user.as_ref().map(|folder| folder.join(path));
        let system = |path: &str| Some(PathBuf::from(path));
        let present = |paths: [Option<PathBuf>; 2]| paths.into_iter().flatten().collect::<Vec<_>>();
        let registries = Registries::read(
            &present([below_user("rbuild/registries.toml"), system("/etc/rbuild/registries.toml")]),
            &present([below_user("docker/daemon.json"), system("/etc/docker/daemon.json")]),
        )?;
        let usual = Limits::default();
        let limits = Limits {
            pause: pause_from(variable(PAUSE))?,
            slowest: registries.slowest.unwrap_or(usual.slowest),
            window: registries.window.map_or(usual.window, Duration::from_secs),
            ..usual
        };
        let mut certificate_folders = present([below_user("rbuild/certs.d"), below_user("containers/certs.d")]);
        certificate_folders.extend(docker.iter().map(|folder| folder.join("certs.d")));
        certificate_folders.extend(["/etc/docker/certs.d", "/etc/containers/certs.d"].map(PathBuf::from));
        Ok(Self {
            docker_config: variable("REGISTRY_AUTH_FILE").or_else(|| Some(docker?.join("config.json"))),
            credentials: None,
            registries: Arc::new(registries),
            certificate_folders,
            certificates: BTreeMap::new(),
            authority: None,
            limits,
        })
    }

    /// Allows plain HTTP and unverified certificates for these hosts too.
    pub fn allow_insecure<'a>(&mut self, hosts: impl IntoIterator<Item = &'a str>) {
        let mut registries = Registries::clone(&self.registries);
        registries.allow_insecure(hosts);
        self.registries = Arc::new(registries);
    }

    /// The same for all hosts.
    pub fn allow_all_insecure(&mut self) {
        let mut registries = Registries::clone(&self.registries);
        registries.allow_all_insecure();
        self.registries = Arc::new(registries);
    }

    /// Reads a registry's content from its mirrors first, or only from them.
    pub fn add_mirrors(&mut self, registry: &str, mirrors: &[String], only: bool) {
        let mut registries = Registries::clone(&self.registries);
        registries.add_mirrors(registry, mirrors, only);
        self.registries = Arc::new(registries);
    }

    /// Trusts an authority, given as a file, for this host.
    pub fn trust(&mut self, host: &str, authority: PathBuf) {
        self.named_for(host).authorities.push(authority);
    }

    /// Uses this client certificate and key for a host.
    pub fn show(&mut self, host: &str, certificate: PathBuf, key: PathBuf) {
        self.named_for(host).client = Some((certificate, key));
    }

    fn named_for(&mut self, host: &str) -> &mut Certificates {
        let known = self.certificates_for(host).unwrap_or_default();
        self.certificates.entry(host.to_owned()).or_insert(known)
    }

    /// Applies a builder's registry settings, before all others.
    pub fn put_before(&mut self, builder: &BuildkitRegistries) {
        let mut registries = Registries::clone(&self.registries);
        registries.put_before(builder);
        self.registries = Arc::new(registries);
        self.certificates.extend(builder.certificates.clone());
    }

    /// The certificates for a host, including those for all hosts.
    pub(super) fn trusted_for(&self, host: &str) -> Option<Certificates> {
        let own = self.certificates_for(host);
        let Some(authority) = &self.authority else { return own };
        let mut certificates = own.unwrap_or_default();
        certificates.authorities.push(authority.clone());
        Some(certificates)
    }

    /// The certificates for a host, which may have a port.
    pub(super) fn certificates_for(&self, host: &str) -> Option<Certificates> {
        let names = [Some(host), (host == "registry-1.docker.io").then_some("docker.io")];
        if let Some(named) = names.iter().flatten().find_map(|name| self.certificates.get(*name)) {
            return Some(named.clone());
        }
        let of = |folder: &Path, name: &str| Certificates::read(&folder.join(name));
        self.certificate_folders.iter().find_map(|folder| names.into_iter().flatten().find_map(|name| of(folder, name)))
    }
}
