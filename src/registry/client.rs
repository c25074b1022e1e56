//! Requests to registries.

use std::borrow::Borrow;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, Fuse};
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference as OciReference, RegistryOperation};
use tokio::runtime::Runtime;

use super::error::{redact, shorten};
use super::{RegistryError, credentials};
use crate::digest::BlobDigest;
use crate::image::{Reference, media_type};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may stay silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest manifest or index that is read; registries refuse larger ones than 4 MiB.
const MANIFEST_LIMIT: u64 = 4 << 20;

/// What the user configured for registries.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Docker's `config.json`, with the credentials. It need not exist.
    pub docker_config: Option<PathBuf>,
}

impl Settings {
    /// Docker's own files, where its environment variables and the home folder say.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let folder = variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")));
        Self { docker_config: folder.map(|folder| folder.join("config.json")) }
    }
}

/// A repository in a registry, logged in to.
pub struct Registry {
    runtime: Runtime,
    client: Client,
    /// For manifests, whose size oci-client does not bound.
    http: reqwest::Client,
    reference: Reference,
    repository: OciReference,
    scheme: &'static str,
    authentication: RegistryAuth,
    token: Option<String>,
}

/// A document as the registry sent it.
pub(super) struct Answer {
    pub bytes: Vec<u8>,
    pub media_type: String,
}

impl Registry {
    /// Connects to the registry of `reference`, with the user's credentials for pulling.
    pub fn connect(reference: &Reference, settings: &Settings) -> Result<Self, RegistryError> {
        // Two of our dependencies could each choose a provider, so neither does; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let host = reference.domain();
        let scheme = if is_loopback(host) { "http" } else { "https" };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RegistryError::Runtime)?;
        let config = ClientConfig {
            protocol: if scheme == "http" { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: concat!("rbuild/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| RegistryError::from_client(error, reference))?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(RegistryError::Client)?;
        let tag = reference.tag().unwrap_or("latest").to_owned();
        let repository = OciReference::with_tag(host.to_owned(), reference.path().to_owned(), tag);
        let mut registry = Self {
            runtime,
            client,
            http,
            reference: reference.clone(),
            repository,
            scheme,
            authentication: credentials::find(host, settings)?,
            token: None,
        };
        registry.log_in()?;
        Ok(registry)
    }

    fn log_in(&mut self) -> Result<(), RegistryError> {
        let request = self.client.auth(&self.repository, &self.authentication, RegistryOperation::Pull);
        self.token =
            self.runtime.block_on(request).map_err(|error| RegistryError::from_client(error, &self.reference))?;
        Ok(())
    }

    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The manifest or index with this tag or digest.
    pub(super) fn manifest(&self, identifier: &str) -> Result<Answer, RegistryError> {
        let host = self.repository.resolve_registry();
        let url = format!("{}://{host}/v2/{}/manifests/{identifier}", self.scheme, self.reference.path());
        self.runtime.block_on(self.get_manifest(&url))
    }

    async fn get_manifest(&self, url: &str) -> Result<Answer, RegistryError> {
        let host = self.reference.domain();
        let accepted =
            [media_type::OCI_INDEX, media_type::OCI_MANIFEST, media_type::DOCKER_INDEX, media_type::DOCKER_MANIFEST];
        let mut request = self.http.get(url).header(reqwest::header::ACCEPT, accepted.join(", "));
        request = match (&self.token, &self.authentication) {
            (Some(token), _) => request.bearer_auth(token),
            (None, RegistryAuth::Basic(user, password)) => request.basic_auth(user, Some(password)),
            _ => request,
        };
        let response = request.send().await.map_err(|source| RegistryError::request("GET", host, source))?;
        let status = response.status();
        let content_type = response.headers().get(reqwest::header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_owned();
        let bytes = self.read_bounded(response).await?;
        if status.is_success() {
            return Ok(Answer { bytes, media_type });
        }
        Err(self.refusal(url, status.as_u16(), &bytes))
    }

    async fn read_bounded(&self, response: reqwest::Response) -> Result<Vec<u8>, RegistryError> {
        let mut stream = response.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|source| RegistryError::request("GET", self.reference.domain(), source))?;
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > MANIFEST_LIMIT {
                let name = self.reference.familiar();
                return Err(RegistryError::TooLarge { name, what: "the manifest", limit: MANIFEST_LIMIT });
            }
        }
        Ok(bytes)
    }

    fn refusal(&self, url: &str, status: u16, body: &[u8]) -> RegistryError {
        let host = self.reference.domain().to_owned();
        let name = self.reference.familiar();
        match status {
            404 => RegistryError::NotFound { host, name },
            401 | 403 => RegistryError::Denied { host, name },
            _ => RegistryError::Status {
                method: "GET",
                url: redact(url),
                status,
                message: shorten(&String::from_utf8_lossy(body)),
            },
        }
    }

    /// The blob's bytes as they come. Whoever reads them checks digest and length.
    pub(super) fn blob(&self, digest: &BlobDigest) -> Result<impl Read, RegistryError> {
        Ok(BlobReader { runtime: &self.runtime, stream: self.blob_stream(digest)?, chunk: Bytes::new() })
    }

    /// The same, for whoever needs nothing else of the registry.
    pub fn into_blob(self, digest: &BlobDigest) -> Result<impl Read + Send + use<>, RegistryError> {
        let stream = self.blob_stream(digest)?;
        Ok(BlobReader { runtime: self.runtime, stream, chunk: Bytes::new() })
    }

    fn blob_stream(
        &self,
        digest: &BlobDigest,
    ) -> Result<Fuse<BoxStream<'static, Result<Bytes, io::Error>>>, RegistryError> {
        let digest = digest.to_string();
        let stream = self
            .runtime
            .block_on(self.client.pull_blob_stream(&self.repository, digest.as_str()))
            .map_err(|error| RegistryError::from_client(error, &self.reference))?;
        Ok(stream.stream.fuse())
    }
}

/// Reads a stream of chunks; the connection makes progress while it is read.
struct BlobReader<R> {
    runtime: R,
    /// Fused: oci-client checks the digest at the stream's end, once more whenever it is asked again.
    stream: Fuse<BoxStream<'static, Result<Bytes, io::Error>>>,
    chunk: Bytes,
}

impl<R: Borrow<Runtime>> Read for BlobReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.borrow().block_on(self.stream.next()) {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}

/// Registries on this machine speak plain HTTP, unless they are configured otherwise.
fn is_loopback(domain: &str) -> bool {
    let host = match domain.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => domain.split(':').next().unwrap_or(domain),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_registries_are_told_by_their_names() {
        for domain in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:80"] {
            assert!(is_loopback(domain), "{domain}");
        }
        for domain in ["docker.io", "localhost.example.com", "128.0.0.1:5000", "[::2]"] {
            assert!(!is_loopback(domain), "{domain}");
        }
    }
}
