//! Docker's `config.json`. Contents unknown to rbuild are preserved, in order.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize as _;
use serde_json::{Map, Value, json};

use super::{Credential, key_of};
use crate::base::io_error::AtPath;
use crate::transport::registry::RegistryError;

const AUTHS: &str = "auths";
const ALIASES: &str = "aliases";

pub struct ConfigFile {
    fields: Map<String, Value>,
}

/// The entry of one registry in `auths`.
#[derive(Debug, Default)]
pub struct Entry(Map<String, Value>);

impl Entry {
    pub fn of(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    pub fn new(user: &str, credential: &Credential) -> Self {
        let auth = |password: &str| Value::from(STANDARD.encode(format!("{user}:{password}")));
        let fields = match credential {
            Credential::Anonymous => json!({}),
            Credential::RegistryToken(token) => json!({"registrytoken": token}),
            Credential::Password { password, .. } => json!({"auth": auth(password)}),
            Credential::IdentityToken(token) => json!({"auth": auth(""), "identitytoken": token}),
        };
        Self(fields.as_object().cloned().unwrap_or_default())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// User and password from `auth`, which is base64 of both with a colon in between.
    fn decoded(&self) -> Result<Option<(String, String)>, String> {
        let Some(auth) = self.text("auth") else { return Ok(None) };
        let bytes = STANDARD.decode(auth.trim()).map_err(|_| "`auth` is not base64".to_owned())?;
        let text = String::from_utf8(bytes).map_err(|_| "`auth` is not text".to_owned())?;
        let (user, password) = text.split_once(':').ok_or("`auth` is not USER:PASSWORD")?;
        // Docker's own files used to have a zero byte at the end.
        Ok(Some((user.to_owned(), password.trim_end_matches('\0').to_owned())))
    }

    pub fn credential(&self) -> Result<Credential, String> {
        if let Some(token) = self.text("registrytoken") {
            return Ok(Credential::RegistryToken(token.to_owned()));
        }
        if let Some(token) = self.text("identitytoken") {
            return Ok(Credential::IdentityToken(token.to_owned()));
        }
        if let Some((user, password)) = self.decoded()? {
            return Ok(Credential::Password { user, password });
        }
        match (self.text("username"), self.text("password")) {
            (Some(user), Some(password)) => {
                Ok(Credential::Password { user: user.to_owned(), password: password.to_owned() })
            }
            _ => Ok(Credential::Anonymous),
        }
    }

    pub fn user(&self) -> Option<String> {
        let decoded = self.decoded().ok().flatten().map(|(user, _)| user);
        decoded.or_else(|| self.text("username").map(str::to_owned))
    }
}

impl ConfigFile {
    /// A file with these settings and nothing else.
    pub fn of_auths(auths: Map<String, Value>) -> Self {
        Self { fields: Map::from_iter([(AUTHS.to_owned(), Value::Object(auths))]) }
    }

    /// The file's content; empty settings if there is no file.
    pub fn read(path: &Path) -> Result<Self, RegistryError> {
        let wrong = |reason: String| RegistryError::Configuration { path: path.to_owned(), reason };
        let text = match std::fs::read_to_string(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Self { fields: Map::new() });
            }
            text => text.at("read", path)?,
        };
        if text.trim().is_empty() {
            return Ok(Self { fields: Map::new() });
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(fields)) => Ok(Self { fields }),
            Ok(_) => Err(wrong("it is not a JSON object".to_owned())),
            Err(error) => Err(wrong(format!("it is not the JSON it should be: {error}"))),
        }
    }

    /// The helper program for the registry's credentials.
    pub fn helper(&self, host: &str) -> Option<String> {
        let helpers = self.fields.get("credHelpers").and_then(Value::as_object);
        let own = helpers.and_then(|helpers| helpers.get(key_of(host)).or_else(|| helpers.get(host)));
        let name = own.or_else(|| self.fields.get("credsStore")).and_then(Value::as_str);
        name.filter(|name| !name.is_empty()).map(|name| format!("docker-credential-{name}"))
    }

    pub fn entry(&self, host: &str) -> Option<Entry> {
        let auths = self.fields.get(AUTHS)?.as_object()?;
        let exact = auths.get(key_of(host));
        let found = exact.or_else(|| auths.iter().find(|(key, _)| is_key_of(key, host)).map(|(_, value)| value));
        found?.as_object().cloned().map(Entry)
    }

    /// The entry for the repository's path, or for its longest prefix.
    pub fn entry_of_path(&self, host: &str, repository: &str) -> Option<Entry> {
        let auths = self.fields.get(AUTHS)?.as_object()?;
        let mut path = repository;
        while !path.is_empty() {
            if let Some(found) = auths.get(&format!("{host}/{path}")) {
                return found.as_object().cloned().map(Entry);
            }
            path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        None
    }

    pub fn set(&mut self, host: &str, entry: Entry) {
        let auths = self.fields.entry(AUTHS).or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        auths[key_of(host)] = Value::Object(entry.0);
    }

    /// True if there was an entry.
    pub fn remove(&mut self, host: &str) -> bool {
        let Some(auths) = self.fields.get_mut(AUTHS).and_then(Value::as_object_mut) else { return false };
        let before = auths.len();
        auths.retain(|key, _| !is_key_of(key, host));
        auths.len() < before
    }

    /// Sets an alias for one of docker's commands, or removes it.
    pub fn set_alias(&mut self, name: &str, command: Option<&str>) {
        let aliases = self.fields.entry(ALIASES).or_insert_with(|| json!({}));
        if !aliases.is_object() {
            *aliases = json!({});
        }
        match command {
            Some(command) => aliases[name] = json!(command),
            None => drop(aliases.as_object_mut().and_then(|aliases| aliases.shift_remove(name))),
        }
        if aliases.as_object().is_some_and(Map::is_empty) {
            self.fields.shift_remove(ALIASES);
        }
    }

    /// Replaces the file atomically; only its owner can read it.
    pub fn write(&self, path: &Path) -> Result<(), RegistryError> {
        // A link, which users have who keep their settings in a repository, stays a link.
        let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).at("create", folder)?;
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let written = self.fields.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter));
        written.map_err(|error| RegistryError::Configuration { path: path.clone(), reason: error.to_string() })?;
        text.push(b'\n');
        let mut file = tempfile::Builder::new()
            .prefix(".config.json.")
            .permissions(std::fs::Permissions::from_mode(0o600))
            .tempfile_in(folder)
            .at("create a file in", folder)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).at("write", path)?;
        file.persist(path).map_err(|error| error.error).at("rename", path)?;
        Ok(())
    }
}

/// Keys used to be URLs: `https://r.example/v1/` is `r.example`. Without a scheme, a key with a path is only for that
/// path.
fn is_key_of(key: &str, host: &str) -> bool {
    let bare = match key.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or(rest),
        None => key.strip_suffix("/v1/").or_else(|| key.strip_suffix("/v2/")).unwrap_or(key).trim_end_matches('/'),
    };
    bare == host || (host == "docker.io" && matches!(bare, "index.docker.io" | "registry-1.docker.io"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let text = "{\n\t\"z\": 1,\n\t\"auths\": {\n\t\t\"b\": {}\n\t},\n\t\"a\": [\n\t\t2\n\t]\n}\n";
        std::fs::write(&path, text).unwrap();
        let mut config = ConfigFile::read(&path).unwrap();
        config.write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        config.set("c", Entry::new("u", &Credential::IdentityToken("t".to_owned())));
        config.write(&path).unwrap();
        let added = "\"b\": {},\n\t\t\"c\": {\n\t\t\t\"auth\": \"dTo=\",\n\t\t\t\"identitytoken\": \"t\"\n\t\t}";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text.replace("\"b\": {}", added));
    }

    #[test]
    fn helpers_are_for_one_registry_or_for_all() {
        let fields = json!({"credsStore": "all", "credHelpers": {"r.example": "one"}});
        let config = ConfigFile { fields: fields.as_object().unwrap().clone() };
        assert_eq!(config.helper("r.example").as_deref(), Some("docker-credential-one"));
        assert_eq!(config.helper("docker.io").as_deref(), Some("docker-credential-all"));
    }
}
