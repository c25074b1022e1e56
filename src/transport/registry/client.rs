//! The client through which all requests to registries go.

use std::sync::Arc;

use super::credential::Credential;
use super::http::{Asked, Endpoint, Request, Scope, Service};
use super::repository::Repository;
use super::{RegistryError, Settings};
use crate::image::Reference;

/// Connections to registries, with the user's settings and cached tokens. Cheap to clone; a command creates one, so
/// that its parts share connections. Its functions block, so call them on threads that may wait.
#[derive(Clone)]
pub struct Client {
    pub(super) service: Arc<Service>,
}

impl Client {
    /// Does not connect yet.
    pub fn new(settings: &Settings) -> Result<Self, RegistryError> {
        Ok(Self { service: Arc::new(Service::new(settings.clone(), None)?) })
    }

    /// The same with a credential instead of those in the user's files.
    pub(super) fn with_credential(settings: &Settings, credential: Credential) -> Result<Self, RegistryError> {
        Ok(Self { service: Arc::new(Service::new(settings.clone(), Some(credential))?) })
    }

    /// The repository of the reference, ignoring its tag and digest. Fails if its registry is blocked.
    pub fn repository(&self, reference: &Reference) -> Result<Repository, RegistryError> {
        let endpoints = self.service.settings.registries.endpoints(reference.domain(), reference.path())?;
        Ok(Repository::new(self.clone(), reference, endpoints))
    }

    /// Checks whether the registry accepts the credentials. Returns the identity token that its token server gave in
    /// exchange for the password, if any.
    pub(super) fn check_login(&self, host: &str) -> Result<Option<String>, RegistryError> {
        let endpoints = self.service.settings.registries.endpoints(host, "")?;
        let endpoint = endpoints.last().cloned().unwrap_or_else(|| Endpoint::new(host, ""));
        let service = &self.service;
        self.wait(async {
            let request = service.retry(&endpoint, async || self.ping(&endpoint).await).await?;
            service.retry(&endpoint, async || service.attempt(&endpoint, &request).await.map(drop)).await?;
            let asked: Asked<'_> = request.asked(&endpoint);
            service.retry(&endpoint, async || service.identity_token(&asked).await).await
        })
    }

    async fn ping(&self, endpoint: &Endpoint) -> Result<Request, super::http::Failure> {
        let scheme = self.service.scheme(endpoint).await?;
        let url = endpoint.url(scheme, "").map_err(super::http::Failure::Final)?;
        let scopes: [Scope; 0] = [];
        Ok(Request::new(reqwest::Method::GET, url, &endpoint.host, &scopes, self.service.limits()))
    }

    pub(super) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.service.io.block_on(future)
    }
}
