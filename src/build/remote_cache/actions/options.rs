//! The address and credentials of GitHub's cache.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::base::hex;

const SCHEME: &str = "gha:";
/// The permission bit for writing.
const WRITE: u32 = 2;

/// One cache of a repository.
#[derive(Clone, PartialEq, Eq)]
pub struct ActionsOptions {
    /// The service's address.
    pub url: String,
    pub token: String,
    /// The cache's name.
    pub scope: String,
    /// For each request.
    pub timeout: Duration,
}

/// Never shows the token.
impl std::fmt::Debug for ActionsOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ActionsOptions({})", self.scope)
    }
}

#[derive(Deserialize)]
struct Claims {
    /// A JSON document in a string.
    #[serde(default)]
    ac: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Access {
    scope: String,
    permission: u32,
}

impl ActionsOptions {
    pub const SCOPE: &str = "buildkit";
    /// BuildKit's timeout.
    pub const TIMEOUT: Duration = Duration::from_secs(600);

    /// The options in the environment of a GitHub job; `None` elsewhere.
    pub fn from_environment(scope: &str) -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Some(Self {
            url: variable("ACTIONS_RESULTS_URL")?,
            token: variable("ACTIONS_RUNTIME_TOKEN")?,
            scope: scope.to_owned(),
            timeout: Self::TIMEOUT,
        })
    }

    pub(in crate::build::remote_cache) fn shown(&self) -> String {
        format!("GitHub's cache `{}`", self.scope)
    }

    /// What the store keeps: only the name, because everything else is the job's.
    pub(in crate::build::remote_cache) fn source(&self) -> String {
        format!("{SCHEME}{}", self.scope)
    }

    pub(in crate::build::remote_cache) fn scope_of_source(source: &str) -> Option<&str> {
        source.strip_prefix(SCHEME)
    }

    /// The scopes (branches) of the token: first the one that may be written, then those that may be read.
    pub(super) fn scopes(&self) -> Vec<String> {
        let claims =
            self.token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
        let claims = claims.and_then(|bytes| serde_json::from_slice::<Claims>(&bytes).ok());
        let access: Vec<Access> = claims.and_then(|claims| serde_json::from_str(&claims.ac).ok()).unwrap_or_default();
        let (written, read): (Vec<Access>, Vec<Access>) =
            access.into_iter().partition(|access| access.permission & WRITE != 0);
        let scopes: Vec<String> = written.into_iter().chain(read).map(|access| access.scope).collect();
        if scopes.is_empty() { vec![String::new()] } else { scopes }
    }

    /// The prefix of a branch's keys, before the number.
    pub(super) fn prefix(&self, branch: &str) -> String {
        let hash = hex::encode(&Sha256::digest(branch.as_bytes()));
        format!("rbuild-{}-1-{}#", self.scope, &hash[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_writes_its_branch_and_reads_others() {
        let claims = r#"{"ac":"[{\"Scope\":\"refs/heads/main\",\"Permission\":1},{\"Scope\":\"refs/heads/x\",\"Permission\":3}]"}"#;
        let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        let of = |token: &str| ActionsOptions {
            url: "https://r.example/".to_owned(),
            token: token.to_owned(),
            scope: "buildkit".to_owned(),
            timeout: ActionsOptions::TIMEOUT,
        };
        assert_eq!(of(&token).scopes(), ["refs/heads/x", "refs/heads/main"]);
        assert_eq!(of("secret").scopes(), [""]);
        assert!(of("secret").prefix("a").starts_with("rbuild-buildkit-1-ca978112#"));
        assert!(!format!("{:?}", of("secret")).contains("secret"));
    }
}
