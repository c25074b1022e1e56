//! Credentials out of docker's `config.json` and its helpers.

use std::fs::File;
use std::io::{self, BufReader};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use oci_client::secrets::RegistryAuth;

use super::{RegistryError, Settings};

/// The key under which docker keeps the credentials for Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";

/// What to log in to `host` with; anonymous when nothing is configured for it.
pub(super) fn find(host: &str, settings: &Settings) -> Result<RegistryAuth, RegistryError> {
    let Some(path) = &settings.docker_config else { return Ok(RegistryAuth::Anonymous) };
    let unusable = |reason: String| RegistryError::Credentials { host: host.to_owned(), path: path.clone(), reason };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RegistryAuth::Anonymous),
        file => file.map_err(|error| unusable(error.to_string()))?,
    };
    let server = if host == "docker.io" { HUB } else { host };
    match get_credential_from_reader(BufReader::new(file), server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(RegistryAuth::Basic(user, password)),
        Ok(DockerCredential::IdentityToken(_)) => Err(unusable("identity tokens are not supported yet".to_owned())),
        // A helper fails when it has nothing for the registry; what it printed is not ours to show.
        Err(CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::HelperFailure { .. }) => {
            Ok(RegistryAuth::Anonymous)
        }
        Err(CredentialRetrievalError::ConfigReadError) => Err(unusable("it is not the JSON it should be".to_owned())),
        Err(error) => Err(unusable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_config(text: &str, host: &str) -> Result<RegistryAuth, RegistryError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        find(host, &Settings { docker_config: Some(path) })
    }

    #[test]
    fn credentials_are_found_by_host() {
        // dTpw is `u:p` in base64.
        let config =
            r#"{"auths": {"r.example:5000": {"auth": "dTpw"}, "https://index.docker.io/v1/": {"auth": "dTpw"}}}"#;
        for host in ["r.example:5000", "docker.io"] {
            let found = with_config(config, host).unwrap();
            assert!(
                matches!(found, RegistryAuth::Basic(user, password) if (user.as_str(), password.as_str()) == ("u", "p"))
            );
        }
        assert!(matches!(with_config(config, "other.example").unwrap(), RegistryAuth::Anonymous));
    }

    #[test]
    fn a_broken_file_is_named() {
        let message = with_config("{", "r.example").unwrap_err().to_string();
        assert!(message.contains("config.json"), "{message}");
    }

    #[test]
    fn no_file_means_anonymous() {
        let settings = Settings { docker_config: Some("/nonexistent/config.json".into()) };
        assert!(matches!(find("docker.io", &settings).unwrap(), RegistryAuth::Anonymous));
    }
}
