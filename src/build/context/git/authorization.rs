//! The authorization for a git server: from a secret, never from an address. Git gets it in its environment, which only
//! its user can read, as a setting for this repository alone.

use std::fmt;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::GitReference;
use crate::base::io_error::IoError;
use crate::build::context::FindSecret;

const HEADER: &str = "GIT_AUTH_HEADER";
const TOKEN: &str = "GIT_AUTH_TOKEN";

/// For repositories whose address begins with `scope`.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    scope: String,
    /// The value of the `Authorization` header.
    value: String,
    /// The secret as it was given.
    secret: String,
}

/// Shows only the scope.
impl fmt::Debug for Authorization {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Authorization({})", self.scope)
    }
}

impl Authorization {
    /// Passes it to git.
    pub(super) fn give_to(&self, git: &mut Command) {
        git.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", format!("http.{}.extraHeader", self.scope))
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: {}", self.value));
    }

    /// Removes it from git's output.
    pub(super) fn take_out(&self, said: &str) -> String {
        said.replace(&self.value, "xxxxx").replace(&self.secret, "xxxxx")
    }
}

impl GitReference {
    /// Adds the authorization from a secret: `GIT_AUTH_HEADER.HOST`, `GIT_AUTH_TOKEN.HOST`, or the same without a host.
    /// A token is the password of `x-access-token`.
    pub fn authorized(mut self, secret: &FindSecret<'_>) -> Result<Self, IoError> {
        let Some(host) = http_host(&self.remote) else { return Ok(self) };
        for (name, is_token) in [
            (format!("{HEADER}.{host}"), false),
            (format!("{TOKEN}.{host}"), true),
            (HEADER.to_owned(), false),
            (TOKEN.to_owned(), true),
        ] {
            let Some(value) = secret(&name)? else { continue };
            let secret = String::from_utf8_lossy(&value).trim_end_matches(['\r', '\n']).to_owned();
            if secret.is_empty() {
                continue;
            }
            let value = if is_token {
                format!("basic {}", STANDARD.encode(format!("x-access-token:{secret}")))
            } else {
                secret.clone()
            };
            self.authorization = Some(Authorization { scope: scope(&self.remote).to_owned(), value, secret });
            break;
        }
        Ok(self)
    }
}

/// Host and port of an http(s) address; ssh has keys.
fn http_host(remote: &str) -> Option<&str> {
    let rest = remote.strip_prefix("https://").or_else(|| remote.strip_prefix("http://"))?;
    let authority = rest.split('/').next().unwrap_or(rest);
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

/// The submodules of a repository on github.com are usually there too.
fn scope(remote: &str) -> &str {
    let prefixes = ["https://github.com/", "https://www.github.com/"];
    prefixes.into_iter().find(|prefix| remote.starts_with(prefix)).unwrap_or(remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str, secrets: &[(&str, &str)]) -> Option<(String, String)> {
        let find = |name: &str| {
            Ok(secrets.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes().to_vec()))
        };
        let wanted = GitReference::parse(url).unwrap().authorized(&find).unwrap();
        assert!(!format!("{wanted:?}").contains("secret"));
        wanted.authorization.map(|found| (found.scope, found.value))
    }

    #[test]
    fn the_hosts_own_secret_comes_first_and_a_token_is_a_password() {
        let url = "https://h:8080/r.git";
        let basic = |token: &str| format!("basic {}", STANDARD.encode(format!("x-access-token:{token}")));
        let all =
            [("GIT_AUTH_TOKEN", "secret1"), ("GIT_AUTH_HEADER", "secret2"), ("GIT_AUTH_TOKEN.h:8080", "secret3\n")];
        assert_eq!(of(url, &all), Some((url.to_owned(), basic("secret3"))));
        assert_eq!(of(url, &all[..2]), Some((url.to_owned(), "secret2".to_owned())));
        assert_eq!(of(url, &all[..1]), Some((url.to_owned(), basic("secret1"))));
        assert_eq!(of("git@h:r.git", &all), None);
        assert_eq!(of(url, &[]), None);
        assert_eq!(of("https://github.com/a/b.git", &all).unwrap().0, "https://github.com/");
    }
}
