//! Credentials that a caller supplies, instead of those in the user's files.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// The credentials sent by a client of the API: for any registry, or for each of several. Cheap to clone.
#[derive(Clone)]
pub struct GivenCredentials(Arc<Given>);

pub(super) enum Given {
    Everywhere(Map<String, Value>),
    ByRegistry(Map<String, Value>),
}

impl GivenCredentials {
    /// One credential for any registry, in docker's form (`username`, `password`, `auth`, `identitytoken`,
    /// `registrytoken`).
    pub fn everywhere(fields: Map<String, Value>) -> Self {
        Self(Arc::new(Given::Everywhere(fields)))
    }

    /// By registry, like docker's `auths`.
    pub fn by_registry(auths: Map<String, Value>) -> Self {
        Self(Arc::new(Given::ByRegistry(auths)))
    }

    pub(super) fn fields(&self) -> &Given {
        &self.0
    }
}

/// Never shows the secrets.
impl fmt::Debug for GivenCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GivenCredentials")
    }
}
