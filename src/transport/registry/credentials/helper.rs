//! Credential helpers: programs that store credentials for docker and exchange JSON (docker-credential-helpers).

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::Credential;
use crate::transport::registry::RegistryError;
use crate::transport::registry::error::shorten;

/// The user name by which helpers mark an identity token.
const TOKEN_USER: &str = "<token>";
/// The output of helpers that have nothing for a registry.
const NOT_FOUND: &str = "credentials not found in native keychain";
const ANSWER_LIMIT: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stored {
    #[serde(rename = "ServerURL", default)]
    server: String,
    username: String,
    secret: String,
}

/// The helper's credentials for the registry.
pub fn get(program: &str, key: &str) -> Result<Option<Credential>, RegistryError> {
    let Some(answer) = call(program, "get", key.as_bytes())? else { return Ok(None) };
    let stored: Stored = serde_json::from_slice(&answer).map_err(|_| failed(program, "gave no credentials"))?;
    Ok(Some(match stored.username.as_str() {
        TOKEN_USER => Credential::IdentityToken(stored.secret),
        _ => Credential::Password { user: stored.username, password: stored.secret },
    }))
}

pub fn store(program: &str, key: &str, user: &str, credential: &Credential) -> Result<(), RegistryError> {
    let (username, secret) = match credential {
        Credential::Anonymous | Credential::RegistryToken(_) => return Ok(()),
        Credential::Password { password, .. } => (user.to_owned(), password.clone()),
        Credential::IdentityToken(token) => (TOKEN_USER.to_owned(), token.clone()),
    };
    let stored = Stored { server: key.to_owned(), username, secret };
    let input = serde_json::to_vec(&stored).expect("three strings are JSON");
    call(program, "store", &input).map(drop)
}

pub fn erase(program: &str, key: &str) -> Result<(), RegistryError> {
    call(program, "erase", key.as_bytes()).map(drop)
}

fn failed(program: &str, reason: impl Into<String>) -> RegistryError {
    RegistryError::CredentialHelper { program: program.to_owned(), reason: reason.into() }
}

/// Runs the helper with `input` on its standard input: secrets never go into arguments, which everyone can see. `None`
/// if the helper has nothing.
fn call(program: &str, action: &str, input: &[u8]) -> Result<Option<Vec<u8>>, RegistryError> {
    let mut command = Command::new(program);
    command.arg(action).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(|error| failed(program, format!("cannot be started: {error}")))?;
    // A helper that does not read its input reports that by its exit code.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let output = child.wait_with_output().map_err(|error| failed(program, format!("is lost: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && output.stdout.len() <= ANSWER_LIMIT {
        return Ok(Some(output.stdout));
    }
    if said.trim() == NOT_FOUND {
        return Ok(None);
    }
    // The output of `get` may be part of a secret.
    let said = if action == "get" { String::new() } else { format!(": {}", shorten(&said)) };
    Err(failed(program, format!("failed to {action} ({}){said}", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helper(folder: &std::path::Path, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.join("helper");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_string_lossy().into_owned()
    }

    #[test]
    fn helpers_answer_or_have_nothing_or_fail() {
        let folder = tempfile::tempdir().unwrap();
        let with = |text: &str| get(&helper(folder.path(), text), "r");
        let found = with(r#"read key; echo "{\"Username\":\"$key\",\"Secret\":\"s\"}""#).unwrap();
        assert!(found == Some(Credential::Password { user: "r".to_owned(), password: "s".to_owned() }));
        let token = with(r#"echo '{"ServerURL":"r","Username":"<token>","Secret":"s"}'"#).unwrap();
        assert!(token == Some(Credential::IdentityToken("s".to_owned())));
        assert!(with(&format!("echo '{NOT_FOUND}'; exit 1")).unwrap().is_none());
        let message = with("echo hunter2; exit 3").unwrap_err().to_string();
        assert!(message.contains("failed to get (exit status: 3)") && !message.contains("hunter2"), "{message}");
        assert!(get("/nonexistent/helper", "r").unwrap_err().to_string().contains("cannot be started"));
    }
}
