//! Credentials that somebody hands over, in place of those in the user's files.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Credential;
use super::config_file::{ConfigFile, Entry};
use crate::transport::registry::RegistryError;

/// What a client of the API sends along: for whatever registry is asked, or for each of several. Cheap to clone.
#[derive(Clone)]
pub struct GivenCredentials(Arc<Given>);

enum Given {
    Everywhere(Entry),
    ByRegistry(ConfigFile),
}

impl GivenCredentials {
    /// One, in docker's form (`username`, `password`, `auth`, `identitytoken`, `registrytoken`), for any registry.
    pub fn everywhere(fields: Map<String, Value>) -> Self {
        Self(Arc::new(Given::Everywhere(Entry::of(fields))))
    }

    /// By registry, as docker's `auths`.
    pub fn by_registry(auths: Map<String, Value>) -> Self {
        Self(Arc::new(Given::ByRegistry(ConfigFile::of_auths(auths))))
    }

    /// What to log in with for a repository of `host`.
    pub(super) fn find(&self, host: &str, repository: &str) -> Result<Credential, RegistryError> {
        let credential = match self.0.as_ref() {
            Given::Everywhere(entry) => entry.credential(),
            Given::ByRegistry(config) => {
                let entry = config.entry_of_path(host, repository).or_else(|| config.entry(host));
                entry.map_or(Ok(Credential::Anonymous), |entry| entry.credential())
            }
        };
        credential.map_err(|reason| RegistryError::GivenCredentials { host: host.to_owned(), reason })
    }
}

/// Never the secrets.
impl fmt::Debug for GivenCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GivenCredentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_registry_gets_its_own() {
        let given = GivenCredentials::by_registry(fields(
            r#"{"r.example:5000": {"username": "u", "password": "p"}, "https://index.docker.io/v1/": {"identitytoken": "t"}}"#,
        ));
        let password = Credential::Password { user: "u".to_owned(), password: "p".to_owned() };
        assert!(given.find("r.example:5000", "a").unwrap() == password);
        assert!(given.find("docker.io", "library/a").unwrap() == Credential::IdentityToken("t".to_owned()));
        assert!(given.find("other.example", "a").unwrap() == Credential::Anonymous);
        let any = GivenCredentials::everywhere(fields(r#"{"username": "u", "password": "p", "serveraddress": "x"}"#));
        assert!(any.find("r.example", "a").unwrap() == password);
        assert_eq!(format!("{any:?}"), "GivenCredentials");
    }
}
