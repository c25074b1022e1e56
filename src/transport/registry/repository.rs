//! One repository of a registry, and its mirrors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;

use super::RegistryError;
use super::client::Client;
use super::http::{Endpoint, Failure, Request, Scope};
use crate::image::Reference;

/// A repository for reading and writing. Cheap to clone, and usable from many threads.
#[derive(Clone)]
pub struct Repository {
    pub(super) client: Client,
    reference: Reference,
    /// By the user's name for it.
    name: String,
    /// In the order in which they are tried; the last is the repository itself, the others are mirrors.
    endpoints: Arc<[Endpoint]>,
    reading: Arc<Reading>,
}

/// The history of reads so far.
#[derive(Default)]
struct Reading {
    /// The endpoint that last responded.
    serving: AtomicUsize,
    answered: std::sync::atomic::AtomicBool,
    failures: Mutex<Vec<String>>,
}

impl Repository {
    pub(super) fn new(client: Client, reference: &Reference, endpoints: Vec<Endpoint>) -> Self {
        Self {
            client,
            reference: reference.clone(),
            name: reference.familiar_repository(),
            endpoints: endpoints.into(),
            reading: Arc::default(),
        }
    }

    /// The name by which the repository was requested; its tag and digest are arbitrary.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The registry's host, with its port.
    pub fn domain(&self) -> &str {
        self.reference.domain()
    }

    /// The repository within the registry.
    pub fn path(&self) -> &str {
        self.reference.path()
    }

    /// The repository as docker shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The mirror that last responded, if it was one.
    pub fn served_by_mirror(&self) -> Option<&str> {
        let serving = self.endpoints.get(self.reading.serving.load(Ordering::Relaxed))?;
        let answered = self.reading.answered.load(Ordering::Relaxed);
        Some(serving).filter(|endpoint| answered && endpoint.is_mirror).map(|endpoint| endpoint.host.as_str())
    }

    /// The errors of mirrors that were skipped since the last call.
    pub fn take_mirror_failures(&self) -> Vec<String> {
        std::mem::take(&mut *self.failures())
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.reading.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The endpoint for writes.
    pub(super) fn origin(&self) -> &Endpoint {
        self.endpoints.last().expect("there is always the repository itself")
    }

    /// Reads from the endpoint that last responded, or else from the next one that has the content.
    pub(super) async fn read<T>(
        &self,
        action: impl AsyncFn(&Endpoint) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let first = self.reading.serving.load(Ordering::Relaxed);
        let count = self.endpoints.len();
        let mut failures = Vec::new();
        for index in (first..count).chain(0..first).filter(|index| self.endpoints[*index].is_read) {
            let endpoint = &self.endpoints[index];
            match action(endpoint).await {
                Ok(value) => {
                    self.reading.serving.store(index, Ordering::Relaxed);
                    self.reading.answered.store(true, Ordering::Relaxed);
                    self.failures().extend(failures.into_iter().map(|(host, error)| format!("{host}: {error}")));
                    return Ok(value);
                }
                Err(error) => failures.push((endpoint.host.clone(), error)),
            }
        }
        // The registry's own error is returned; those of mirrors are added.
        let own = failures.iter().position(|(host, _)| *host == self.origin().host).unwrap_or(0);
        let (_, source) = failures.remove(own);
        if failures.is_empty() {
            return Err(source);
        }
        let failed = failures.into_iter().map(|(host, error)| format!("{host}: {error}")).collect::<Vec<_>>();
        Err(RegistryError::AllMirrors { failed: failed.join("; "), source: Box::new(source) })
    }

    /// A request for `path` below the repository at `endpoint`.
    pub(super) async fn request(&self, endpoint: &Endpoint, method: Method, path: &str) -> Result<Request, Failure> {
        let scopes = match method {
            Method::GET | Method::HEAD => Scope::pull(&endpoint.repository),
            Method::DELETE => Scope::delete(&endpoint.repository),
            _ => Scope::push(&endpoint.repository),
        };
        let scheme = self.client.service.scheme(endpoint).await?;
        let url = endpoint.url(scheme, &format!("{}/{path}", endpoint.repository)).map_err(Failure::Final)?;
        Ok(Request::new(method, url, &self.name, &[scopes], self.client.service.limits()))
    }

    /// [`Self::request`] with the usual retries.
    pub(super) async fn prepare(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &str,
    ) -> Result<Request, RegistryError> {
        let service = &self.client.service;
        service.retry(endpoint, async || self.request(endpoint, method.clone(), path).await).await
    }
}
