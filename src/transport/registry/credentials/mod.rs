//! Credentials in docker's `config.json` and its helpers: looks them up, stores and erases them.

mod config_file;
mod helper;

pub(super) use config_file::ConfigFile;
use config_file::Entry;

use super::credential::Credential;
use super::given::{Given, GivenCredentials};
use super::{RegistryError, Settings};

/// The key under which docker stores the credentials of Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";

/// The key that docker uses for a registry.
pub(super) fn key_of(host: &str) -> &str {
    if host == "docker.io" { HUB } else { host }
}

/// The credentials for a repository of `host`; anonymous if nothing is configured. An entry for the path overrides one
/// for the host (containers-auth.json(5)); helpers exist only for whole hosts.
pub(super) fn find(host: &str, repository: &str, settings: &Settings) -> Result<Credential, RegistryError> {
    if let Some(given) = &settings.credentials {
        let found = find_given(given, host, repository);
        return found.map_err(|reason| RegistryError::GivenCredentials { host: host.to_owned(), reason });
    }
    let Some(path) = &settings.docker_config else { return Ok(Credential::Anonymous) };
    let config = ConfigFile::read(path)?;
    let key = key_of(host);
    let entry = match (config.entry_of_path(host, repository), config.helper(host)) {
        (Some(entry), _) => Some(entry),
        (None, Some(program)) => return Ok(helper::get(&program, key)?.unwrap_or(Credential::Anonymous)),
        (None, None) => config.entry(host),
    };
    let Some(entry) = entry else { return Ok(Credential::Anonymous) };
    entry.credential().map_err(|reason| RegistryError::Credentials {
        host: host.to_owned(),
        path: path.clone(),
        reason,
    })
}

fn find_given(given: &GivenCredentials, host: &str, repository: &str) -> Result<Credential, String> {
    match given.fields() {
        Given::Everywhere(fields) => Entry::of(fields.clone()).credential(),
        Given::ByRegistry(auths) => {
            let config = ConfigFile::of_auths(auths.clone());
            let entry = config.entry_of_path(host, repository).or_else(|| config.entry(host));
            entry.map_or(Ok(Credential::Anonymous), |entry| entry.credential())
        }
    }
}

/// Stores what `login` has verified. `user` is stored with an identity token.
pub(super) fn store(host: &str, settings: &Settings, user: &str, credential: &Credential) -> Result<(), RegistryError> {
    let path = path(host, settings)?;
    let mut config = ConfigFile::read(path)?;
    match config.helper(host) {
        Some(program) => {
            helper::store(&program, key_of(host), user, credential)?;
            config.set(host, Entry::default());
        }
        None => config.set(host, Entry::new(user, credential)),
    }
    config.write(path)
}

/// Erases the registry's credentials; false if there were none.
pub(super) fn erase(host: &str, settings: &Settings) -> Result<bool, RegistryError> {
    let path = path(host, settings)?;
    let mut config = ConfigFile::read(path)?;
    let mut found = false;
    if let Some(program) = config.helper(host) {
        found = helper::get(&program, key_of(host))?.is_some();
        if found {
            helper::erase(&program, key_of(host))?;
        }
    }
    if config.remove(host) {
        config.write(path)?;
        found = true;
    }
    Ok(found)
}

/// The user who is logged in, if known.
pub(super) fn user(host: &str, settings: &Settings) -> Result<Option<String>, RegistryError> {
    let Some(path) = &settings.docker_config else { return Ok(None) };
    let config = ConfigFile::read(path)?;
    if let Some(program) = config.helper(host) {
        return Ok(match helper::get(&program, key_of(host))? {
            Some(Credential::Password { user, .. }) => Some(user),
            _ => None,
        });
    }
    Ok(config.entry(host).and_then(|entry| entry.user()))
}

/// The file that has the credentials in plain text, if no helper stores them.
pub(super) fn plain_text_file<'a>(
    host: &str,
    settings: &'a Settings,
) -> Result<Option<&'a std::path::Path>, RegistryError> {
    let path = path(host, settings)?;
    Ok(ConfigFile::read(path)?.helper(host).is_none().then_some(path))
}

fn path<'a>(host: &str, settings: &'a Settings) -> Result<&'a std::path::Path, RegistryError> {
    settings.docker_config.as_deref().ok_or_else(|| RegistryError::Credentials {
        host: host.to_owned(),
        path: "config.json".into(),
        reason: "there is no home folder, and DOCKER_CONFIG is not set".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_config(text: &str, host: &str) -> Result<Credential, RegistryError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        let (host, repository) = host.split_once('/').unwrap_or((host, ""));
        find(host, repository, &Settings { docker_config: Some(path), ..Settings::default() })
    }

    #[test]
    fn credentials_are_found_by_host() {
        // dTpw is `u:p` in base64.
        let config = r#"{"auths": {"https://r.example:5000/v2/": {"auth": "dTpw"},
            "https://index.docker.io/v1/": {"username": "u", "password": "p"}, "t.example": {"identitytoken": "x"}}}"#;
        for host in ["r.example:5000", "docker.io"] {
            let expected = Credential::Password { user: "u".to_owned(), password: "p".to_owned() };
            assert!(with_config(config, host).unwrap() == expected, "{host}");
        }
        assert!(with_config(config, "t.example").unwrap() == Credential::IdentityToken("x".to_owned()));
        assert!(with_config(config, "other.example").unwrap() == Credential::Anonymous);
    }

    #[test]
    fn each_registry_gets_what_was_given_for_it() {
        let fields = |text: &str| serde_json::from_str(text).unwrap();
        let given = GivenCredentials::by_registry(fields(
            r#"{"r.example:5000": {"username": "u", "password": "p"}, "https://index.docker.io/v1/": {"identitytoken": "t"}}"#,
        ));
        let find = |given: &GivenCredentials, host: &str| {
            find(host, "a", &Settings { credentials: Some(given.clone()), ..Settings::default() }).unwrap()
        };
        let password = Credential::Password { user: "u".to_owned(), password: "p".to_owned() };
        assert!(find(&given, "r.example:5000") == password);
        assert!(find(&given, "docker.io") == Credential::IdentityToken("t".to_owned()));
        assert!(find(&given, "other.example") == Credential::Anonymous);
        let any = GivenCredentials::everywhere(fields(r#"{"username": "u", "password": "p", "serveraddress": "x"}"#));
        assert!(find(&any, "r.example") == password);
        assert_eq!(format!("{any:?}"), "GivenCredentials");
    }

    #[test]
    fn the_longest_path_counts() {
        let token = |text: &str| format!(r#"{{"registrytoken": "{text}"}}"#);
        let config = format!(
            r#"{{"auths": {{"r.example": {}, "r.example/team": {}, "r.example/team/app": {}, "https://v.example/v1/": {},
                "docker.io/me": {}, "p.example/only/this": {}}}, "credHelpers": {{"r.example": "unused"}}}}"#,
            token("host"),
            token("team"),
            token("app"),
            token("old"),
            token("hub"),
            token("path")
        );
        for (name, expected) in [
            ("r.example/team/app", "app"),
            ("r.example/team/app/part", "app"),
            ("r.example/team/application", "team"),
            ("v.example/a", "old"),
            ("docker.io/me/app", "hub"),
            ("p.example/only/this", "path"),
        ] {
            let found = with_config(&config, name).unwrap();
            assert!(found == Credential::RegistryToken(expected.to_owned()), "{name}");
        }
        for name in ["docker.io/library/a", "p.example/only", "p.example/only/that"] {
            assert!(with_config(&config, name).unwrap() == Credential::Anonymous, "{name}: a path is not a host");
        }
        assert!(with_config(&config, "r.example/other").is_err(), "the host's helper is asked, and is not there");
    }

    #[test]
    fn a_broken_file_is_named() {
        for text in ["{", r#"{"auths": {"r.example": {"auth": "%"}}}"#] {
            let message = with_config(text, "r.example").unwrap_err().to_string();
            assert!(message.contains("config.json"), "{message}");
        }
    }

    #[test]
    fn no_file_means_anonymous() {
        let settings = Settings { docker_config: Some("/nonexistent/config.json".into()), ..Settings::default() };
        assert!(find("docker.io", "library/a", &settings).unwrap() == Credential::Anonymous);
    }

    #[test]
    fn what_is_stored_is_found_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/config.json");
        let settings = Settings { docker_config: Some(path.clone()), ..Settings::default() };
        let credential = Credential::Password { user: "u".to_owned(), password: "p:q".to_owned() };
        store("r.example", &settings, "u", &credential).unwrap();
        assert!(find("r.example", "a/b", &settings).unwrap() == credential);
        assert_eq!(user("r.example", &settings).unwrap().as_deref(), Some("u"));
        assert!(erase("r.example", &settings).unwrap());
        assert!(!erase("r.example", &settings).unwrap());
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
