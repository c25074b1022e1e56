//! User and password of a repository's address. Git gets them in its environment, which only its user can read, and
//! through its credential protocol (gitcredentials(7)), which gives them only to the host they were written for, not to
//! redirect targets. They are in no process's arguments and in no file.

use std::fmt;
use std::process::Command;

use super::reference::decode;

const USER: &str = "RBUILD_GIT_USER";
const PASSWORD: &str = "RBUILD_GIT_PASSWORD";

/// A credential helper as a shell function: it answers from its environment.
const HELPER: &str = "!f() { test \"$1\" != get || \
                      printf 'username=%s\\npassword=%s\\n' \"$RBUILD_GIT_USER\" \"$RBUILD_GIT_PASSWORD\"; }; f";

/// For one host.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Scheme, host and port, as in the address.
    origin: String,
    user: String,
    password: String,
    /// The password as written in the address.
    written: String,
}

/// Shows only the host.
impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Credentials({})", self.origin)
    }
}

impl Credentials {
    /// Splits the credentials off an address. ssh cannot use a password, and git's own protocol has neither users nor
    /// passwords: there they are only removed.
    pub(super) fn split_off(remote: &str) -> Result<(String, Option<Self>), &'static str> {
        let Some((scheme, rest)) = remote.split_once("://") else { return Ok((remote.to_owned(), None)) };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let Some((written, host)) = rest[..end].rsplit_once('@') else { return Ok((remote.to_owned(), None)) };
        let path = &rest[end..];
        let (user, password) = written.split_once(':').unwrap_or((written, ""));
        match scheme {
            "ssh" => return Ok((format!("ssh://{user}@{host}{path}"), None)),
            "http" | "https" => {}
            _ => return Ok((format!("{scheme}://{host}{path}"), None)),
        }
        let (user, password) = (decode(user), decode(password));
        if [&user, &password].iter().any(|text| text.contains(['\n', '\r', '\0'])) {
            return Err("its user or password has a line break");
        }
        let origin = format!("{scheme}://{host}");
        let own = Self { origin: origin.clone(), user, password, written: written.to_owned() };
        Ok((format!("{origin}{path}"), Some(own)))
    }

    /// Lets git answer with them when the host asks. Call this before the subcommand is added.
    pub(super) fn give_to(&self, git: &mut Command) {
        git.args(["-c", "credential.helper=", "-c", &format!("credential.{}.helper={HELPER}", self.origin)]);
        git.env(USER, &self.user).env(PASSWORD, &self.password);
    }

    /// Removes them from git's output.
    pub(super) fn take_out(&self, said: &str) -> String {
        let secrets = [&self.written, &self.password];
        secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(said.to_owned(), |said, secret| said.replace(secret.as_str(), "xxxxx"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_none_and_http_gets_them() {
        let split = |remote: &str| Credentials::split_off(remote).unwrap();
        let (remote, own) = split("https://me:p%40ss%3A@h:8080/r.git");
        let own = own.unwrap();
        assert_eq!(
            (remote.as_str(), own.user.as_str(), own.password.as_str()),
            ("https://h:8080/r.git", "me", "p@ss:")
        );
        assert_eq!(own.origin, "https://h:8080");
        assert_eq!(own.take_out("fatal: p@ss: me:p%40ss%3A@h"), "fatal: xxxxx xxxxx@h");
        for (given, expected) in [
            ("ssh://git@h/r.git", "ssh://git@h/r.git"),
            ("ssh://git:secret@h/r.git", "ssh://git@h/r.git"),
            ("git://me:secret@h/r.git", "git://h/r.git"),
            ("git@h:r.git", "git@h:r.git"),
            ("https://h/@scope/r.git", "https://h/@scope/r.git"),
        ] {
            assert_eq!(split(given), (expected.to_owned(), None), "{given}");
        }
        let (remote, own) = split("https://token@h/r.git");
        assert_eq!((remote.as_str(), own.unwrap().password.as_str()), ("https://h/r.git", ""));
        assert!(Credentials::split_off("https://me:a%0ab@h/r.git").is_err());
    }
}
