//! Logging in to registries, and logging out.

use std::path::PathBuf;

use super::credential::Credential;
use super::credentials::ConfigFile;
use super::{Client, RegistryError, Settings, credentials};

/// The result of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The file that has the password in plain text; `None` if a helper stores it.
    pub plain_text: Option<PathBuf>,
}

/// Docker Hub by any of its names, or the host of something that may be a URL.
pub fn registry_host(text: &str) -> &str {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = bare.split('/').next().unwrap_or(bare);
    if matches!(host, "" | "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host }
}

/// Tests the password without storing anything. Returns the identity token that the registry gives for it, if any.
pub fn check_password(
    settings: &Settings,
    host: &str,
    user: &str,
    password: &str,
) -> Result<Option<String>, RegistryError> {
    check(settings, host, Credential::Password { user: user.to_owned(), password: password.to_owned() })
}

/// Tests the password, and stores it, or the identity token that the registry gives for it.
pub fn login(settings: &Settings, host: &str, user: &str, password: &str) -> Result<LoggedIn, RegistryError> {
    let credential = Credential::Password { user: user.to_owned(), password: password.to_owned() };
    let token = check(settings, host, credential.clone())?;
    let kept = token.map_or(credential, Credential::IdentityToken);
    credentials::store(host, settings, user, &kept)?;
    Ok(LoggedIn { plain_text: credentials::plain_text_file(host, settings)?.map(PathBuf::from) })
}

/// Tests what is stored for the registry; false if nothing is.
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

/// Erases what is stored for the registry; false if there was nothing.
pub fn logout(settings: &Settings, host: &str) -> Result<bool, RegistryError> {
    credentials::erase(host, settings)
}

/// Sets or removes an alias for one of docker's commands in its `config.json`, which also has credentials. Does nothing
/// for a removal if there is no such file.
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

/// The user who is logged in to the registry, if known.
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
