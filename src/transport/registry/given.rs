//! Credentials that somebody hands over, in place of those in the user's files.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// What a client of the API sends along: for whatever registry is asked, or for each of several. Cheap to clone.
#[derive(Clone)]
pub struct GivenCredentials(Arc<Given>);

pub(super) enum Given {
    Everywhere(Map<String, Value>),
    ByRegistry(Map<String, Value>),
}

impl GivenCredentials {
    /// One, in docker's form (`username`, `password`, `auth`, `identitytoken`, `registrytoken`), for any registry.
    pub fn everywhere(fields: Map<String, Value>) -> Self {
        Self(Arc::new(Given::Everywhere(fields)))
    }

    /// By registry, as docker's `auths`.
    pub fn by_registry(auths: Map<String, Value>) -> Self {
        Self(Arc::new(Given::ByRegistry(auths)))
    }

    pub(super) fn fields(&self) -> &Given {
        &self.0
    }
}

/// Never the secrets.
impl fmt::Debug for GivenCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GivenCredentials")
    }
}
