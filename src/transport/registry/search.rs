//! Searching a registry for images.

use reqwest::{Method, Url};
use serde::Deserialize;

use super::http::{Endpoint, Request, Scope};
use super::manifests::next_page;
use super::{Client, RegistryError};

/// Docker Hub's address for searches.
const HUB_SEARCH: &str = "https://index.docker.io/v1/search";
const ANSWER_LIMIT: u64 = 16 << 20;
/// How many pages of a catalogue are read.
const PAGE_LIMIT: usize = 100;

/// A search result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Found {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub star_count: u64,
    #[serde(default)]
    pub is_official: bool,
    #[serde(default)]
    pub is_automated: bool,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Catalog {
    /// `null` if there are none.
    repositories: Option<Vec<String>>,
}

impl Client {
    /// Repositories of the registry whose names contain the word, at most `limit`. Docker Hub also searches
    /// descriptions and reports stars; other registries have only names.
    pub fn search(&self, host: &str, word: &str, limit: usize) -> Result<Vec<Found>, RegistryError> {
        let endpoints = self.service.settings.registries.endpoints(host, "")?;
        let endpoint = endpoints.last().expect("there is always the registry itself");
        self.wait(async {
            match host {
                "docker.io" => self.search_hub(endpoint, word, limit).await,
                _ => self.search_catalog(endpoint, word, limit).await,
            }
        })
    }

    async fn search_hub(&self, endpoint: &Endpoint, word: &str, limit: usize) -> Result<Vec<Found>, RegistryError> {
        let service = &self.service;
        let mut url = match endpoint.host.as_str() {
            "docker.io" => Url::parse(HUB_SEARCH).expect("it is a URL"),
            // A registry in place of Docker Hub.
            _ => {
                let scheme = service.retry(endpoint, async || service.scheme(endpoint).await).await?;
                endpoint.url(scheme, "../v1/search")?
            }
        };
        url.query_pairs_mut().append_pair("q", word).append_pair("n", &limit.to_string());
        let request = Request::new(Method::GET, url, word, &[], service.limits());
        let answer = service.document(endpoint, &request, "the answer", ANSWER_LIMIT).await?;
        let results: Results = self.parse(endpoint, &request, &answer.bytes)?;
        Ok(results.results.into_iter().take(limit).collect())
    }

    async fn search_catalog(&self, endpoint: &Endpoint, word: &str, limit: usize) -> Result<Vec<Found>, RegistryError> {
        let service = &self.service;
        let scheme = service.retry(endpoint, async || service.scheme(endpoint).await).await?;
        let url = endpoint.url(scheme, "_catalog?n=1000")?;
        let mut request = Request::new(Method::GET, url, &endpoint.host, &[Scope::catalog()], service.limits());
        let mut found = Vec::new();
        for _ in 0..PAGE_LIMIT {
            let answer = service.document(endpoint, &request, "the catalogue", ANSWER_LIMIT).await;
            let answer = answer.map_err(|error| match error.is_not_found() {
                true => RegistryError::NoSearch { host: endpoint.host.clone() },
                false => error,
            })?;
            let catalog: Catalog = self.parse(endpoint, &request, &answer.bytes)?;
            let page = catalog.repositories.unwrap_or_default();
            let next = next_page(&answer.headers, &request.url).filter(|_| !page.is_empty());
            let fitting = page.into_iter().filter(|name| name.contains(word));
            found.extend(fitting.map(|name| Found { name: format!("{}/{name}", endpoint.host), ..Found::default() }));
            match next {
                Some(url) if found.len() < limit => request.url = url,
                _ => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    fn parse<T: for<'de> Deserialize<'de>>(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        bytes: &[u8],
    ) -> Result<T, RegistryError> {
        serde_json::from_slice(bytes).map_err(|error| RegistryError::BadAnswer {
            host: endpoint.host.clone(),
            method: "GET",
            url: super::error::redact(request.url.as_str()),
            reason: error.to_string(),
        })
    }
}
