//! Logging in to a registry and out of it.

use std::path::PathBuf;

use super::credential::Credential;
use super::credentials::ConfigFile;
use super::{Client, RegistryError, Settings, credentials};

/// What became of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The file that holds the password, readable for whoever may read it; nothing when a helper keeps it.
    pub plain_text: Option<PathBuf>,
}

/// Docker Hub by the names that it goes by, or the host of what may be a URL.
pub fn registry_host(text: &str) -> &str {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = bare.split('/').next().unwrap_or(bare);
    if matches!(host, "" | "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host }
}

/// Tries the password and keeps nothing. Gives the identity token that the registry gives for it, if it does.
pub fn check_password(
    settings: &Settings,
    host: &str,
    user: &str,
    password: &str,
) -> Result<Option<String>, RegistryError> {
    check(settings, host, Credential::Password { user: user.to_owned(), password: password.to_owned() })
}

/// Tries the password, and keeps it, or the identity token that the registry gives for it.
pub fn login(settings: &Settings, host: &str, user: &str, password: &str) -> Result<LoggedIn, RegistryError> {
    let credential = Credential::Password { user: user.to_owned(), password: password.to_owned() };
    let token = check(settings, host, credential.clone())?;
    let kept = token.map_or(credential, Credential::IdentityToken);
    credentials::store(host, settings, user, &kept)?;
    Ok(LoggedIn { plain_text: credentials::plain_text_file(host, settings)?.map(PathBuf::from) })
}

/// Tries what is kept for the registry; false when nothing is.
pub fn login_again(settings: &Settings, host: &str) -> Result<bool, RegistryError> {
    match credentials::find(host, "", settings)? {
        Credential::Anonymous => Ok(false),
        credential => check(settings, host, credential).map(|_| true),
    }
}

fn check(settings: &Settings, host: &str, credential: Credential) -> Result<Option<String>, RegistryError> {
    let checked = Client::with_credential(settings, credential)?.check_login(host);
    checked.map_err(|error| match error {
        RegistryError::WrongCredentials { host, message, .. } | RegistryError::Denied { host, message, .. } => {
            RegistryError::LoginRefused { host, message }
        }
        other => other,
    })
}

/// Forgets what is kept for the registry; false when there was nothing.
pub fn logout(settings: &Settings, host: &str) -> Result<bool, RegistryError> {
    credentials::erase(host, settings)
}

/// Sets another name for one of docker's commands in its `config.json`, where credentials are too, or takes it away. None is
/// taken away where there is no such file.
pub fn set_alias(settings: &Settings, name: &str, command: Option<&str>) -> Result<(), RegistryError> {
    match &settings.docker_config {
        Some(path) if command.is_some() || path.exists() => {
            let mut file = ConfigFile::read(path)?;
            file.set_alias(name, command);
            file.write(path)
        }
        _ => Ok(()),
    }
}

/// The user that is logged in at the registry, if that is known.
pub fn logged_in_user(settings: &Settings, host: &str) -> Result<Option<String>, RegistryError> {
    credentials::user(host, settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_named_by_hosts_or_urls() {
        for (text, host) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("http://r.example:5000/", "r.example:5000"),
            ("r.example/path", "r.example"),
        ] {
            assert_eq!(registry_host(text), host, "{text}");
        }
    }
}
