//! Cloud identities for registries that the user's files do not mention.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::base::io_error::chain;
use crate::transport::cloud::{self, Login};
use crate::transport::registry::RegistryError;
use crate::transport::registry::credential::Credential;

/// By the registry's host; each is looked up once.
#[derive(Default)]
pub struct Identities {
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    credential: Credential,
    /// Why there is none, where one was expected.
    failure: Option<String>,
}

impl Identities {
    /// The credentials for the registry. If they can't be found, the request is anonymous: the image may be public.
    pub fn of(&self, host: &str) -> Credential {
        if !cloud::has_identities(host) {
            return Credential::Anonymous;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(host.to_owned()).or_insert_with(|| ask(host)).credential.clone()
    }

    /// Adds to a registry's refusal why there was no identity.
    pub fn explain(&self, host: &str, error: RegistryError) -> RegistryError {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failure) = known.get(host).and_then(|known| known.failure.as_deref()) else { return error };
        let with = |message: String| match message.is_empty() {
            true => failure.to_owned(),
            false => format!("{message}; {failure}"),
        };
        match error {
            RegistryError::Denied { host, name, message } => {
                RegistryError::Denied { host, name, message: with(message) }
            }
            RegistryError::WrongCredentials { host, name, message } => {
                RegistryError::WrongCredentials { host, name, message: with(message) }
            }
            other => other,
        }
    }
}

/// On a separate thread: this one waits for a registry.
fn ask(host: &str) -> Known {
    let asked = std::thread::scope(|scope| scope.spawn(|| cloud::login(host, &cloud::environment)).join());
    let none = |failure| Known { credential: Credential::Anonymous, failure };
    match asked {
        Ok(Ok(Some(Login::Password { user, password }))) => {
            Known { credential: Credential::Password { user, password }, failure: None }
        }
        Ok(Ok(Some(Login::IdentityToken(token)))) => {
            Known { credential: Credential::IdentityToken(token), failure: None }
        }
        Ok(Ok(None)) => none(None),
        Ok(Err(error)) => none(Some(format!("the cloud's identity cannot be used: {}", chain(&error)))),
        Err(_) => none(Some("looking for the cloud's identity failed with an internal error".to_owned())),
    }
}
