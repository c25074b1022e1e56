//! Manifests and tags of a repository.

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LINK};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::RegistryError;
use super::http::{Endpoint, Request, is_same_host};
use super::repository::Repository;
use crate::base::digest::BlobDigest;
use crate::image::media_type;

/// The size limit of a manifest or index; registries refuse more than 4 MiB.
const MANIFEST_LIMIT: u64 = 4 << 20;
const TAGS_LIMIT: u64 = 16 << 20;
/// How many pages of tags are read, of up to a thousand each.
const PAGE_LIMIT: usize = 100;
const DIGEST_HEADER: &str = "docker-content-digest";

/// A manifest or index as the registry sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteManifest {
    pub bytes: Vec<u8>,
    /// From the registry's header, without parameters.
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: BlobDigest,
}

#[derive(Deserialize)]
struct TagList {
    /// `null` if there are none.
    tags: Option<Vec<String>>,
}

impl Repository {
    /// The manifest or index with this tag or digest. A requested digest is verified.
    pub fn manifest(&self, identifier: &str) -> Result<RemoteManifest, RegistryError> {
        self.client.wait(self.read(async |endpoint| self.fetch_manifest(endpoint, identifier).await))
    }

    async fn fetch_manifest(&self, endpoint: &Endpoint, identifier: &str) -> Result<RemoteManifest, RegistryError> {
        let request = self.manifest_request(endpoint, Method::GET, identifier).await?;
        let answer = self.client.service.document(endpoint, &request, "the manifest", MANIFEST_LIMIT).await?;
        let digest = BlobDigest::of(&answer.bytes);
        let expected = identifier.contains(':').then(|| identifier.to_owned());
        if let Some(expected) = expected.or_else(|| header(&answer.headers, DIGEST_HEADER))
            && expected.starts_with("sha256:")
            && expected != digest.to_string()
        {
            let name = name_of(self, identifier);
            return Err(RegistryError::WrongDigest { name, expected, actual: digest.to_string() });
        }
        let content_type = header(&answer.headers, CONTENT_TYPE.as_str()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_owned();
        Ok(RemoteManifest { bytes: answer.bytes, media_type, digest })
    }

    async fn manifest_request(
        &self,
        endpoint: &Endpoint,
        method: Method,
        identifier: &str,
    ) -> Result<Request, RegistryError> {
        let accepted = [
            media_type::OCI_INDEX,
            media_type::OCI_MANIFEST,
            media_type::DOCKER_INDEX,
            media_type::DOCKER_MANIFEST,
            // Without this header, some registries respond with it anyway, and others as if it did not exist.
            media_type::DOCKER_SCHEMA_1[1],
        ];
        let request = self.prepare(endpoint, method, &format!("manifests/{identifier}")).await?;
        Ok(Request { name: name_of(self, identifier), ..request.accept(&accepted.join(", ")) })
    }

    /// Uploads a manifest or index under a tag or its digest; everything that it names must be there.
    pub fn put_manifest(&self, identifier: &str, media_type: &str, bytes: &[u8]) -> Result<BlobDigest, RegistryError> {
        let digest = BlobDigest::of(bytes);
        let endpoint = self.origin();
        let service = &self.client.service;
        let answer = self.client.wait(async {
            let request = self.prepare(endpoint, Method::PUT, &format!("manifests/{identifier}")).await?;
            let request = Request { name: name_of(self, identifier), ..request };
            let request = request.body(media_type, Bytes::copy_from_slice(bytes)).patience(service.limits().answer);
            service.document(endpoint, &request, "the answer", MANIFEST_LIMIT).await
        })?;
        match header(&answer.headers, DIGEST_HEADER).filter(|actual| actual.starts_with("sha256:")) {
            Some(actual) if actual != digest.to_string() => {
                let name = name_of(self, identifier);
                Err(RegistryError::WrongDigest { name, expected: digest.to_string(), actual })
            }
            _ => Ok(digest),
        }
    }

    /// All tags of the repository, in the registry's order.
    pub fn tags(&self) -> Result<Vec<String>, RegistryError> {
        self.client.wait(self.read(async |endpoint| self.fetch_tags(endpoint).await))
    }

    async fn fetch_tags(&self, endpoint: &Endpoint) -> Result<Vec<String>, RegistryError> {
        let mut request = self.prepare(endpoint, Method::GET, "tags/list?n=1000").await?;
        let mut tags = Vec::new();
        for _ in 0..PAGE_LIMIT {
            let answer = self.client.service.document(endpoint, &request, "the list of tags", TAGS_LIMIT).await?;
            let list: TagList = serde_json::from_slice(&answer.bytes).map_err(|error| RegistryError::BadAnswer {
                host: endpoint.host.clone(),
                method: "GET",
                url: super::error::redact(request.url.as_str()),
                reason: error.to_string(),
            })?;
            let page = list.tags.unwrap_or_default();
            let next = next_page(&answer.headers, &request.url).filter(|_| !page.is_empty());
            tags.extend(page);
            match next {
                Some(url) => request.url = url,
                None => break,
            }
        }
        Ok(tags)
    }
}

/// The image, by the user's name for it.
fn name_of(repository: &Repository, identifier: &str) -> String {
    let mark = if identifier.contains(':') { '@' } else { ':' };
    format!("{}{mark}{identifier}", repository.name())
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The next page of a list: `Link: <URL>; rel="next"` (RFC 8288), at the same registry.
pub(super) fn next_page(headers: &HeaderMap, current: &Url) -> Option<Url> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|parameter| parameter.trim().trim_matches('"').starts_with("rel=\"next"))
        || parameters.contains("rel=next");
    let url = current.join(target).ok().filter(|url| is_next && is_same_host(url, current))?;
    Some(url).filter(|url| url != current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_at_the_same_registry() {
        let current: Url = "https://r.example/v2/a/tags/list?n=2".parse().unwrap();
        let of = |link: &str| {
            let headers = [(LINK, link.parse().unwrap())].into_iter().collect();
            next_page(&headers, &current).map(|url| url.to_string())
        };
        let next = Some("https://r.example/v2/a/tags/list?last=b&n=2".to_owned());
        assert_eq!(of(r#"</v2/a/tags/list?last=b&n=2>; rel="next""#), next);
        assert_eq!(of(r#"<https://evil.example/v2/a/tags/list?last=b>; rel="next""#), None);
        assert_eq!(of(r#"</v2/a/tags/list?last=b&n=2>; rel="prev""#), None);
        assert_eq!(of(r#"</v2/a/tags/list?n=2>; rel="next""#), None);
    }
}
