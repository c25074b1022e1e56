//! The destination of a repository's requests.

use reqwest::Url;

use crate::transport::registry::RegistryError;

/// Docker Hub's API has another host name than its images.
const HUB: &str = "docker.io";
const HUB_ADDRESS: &str = "registry-1.docker.io";

/// A repository at one host: that of its name, or a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The registry's configured name; the key of credentials and certificates.
    pub host: String,
    /// The repository within the registry.
    pub repository: String,
    /// Plain HTTP and unverified certificates are accepted too.
    pub insecure: bool,
    pub is_mirror: bool,
    /// False if it is only written to, and reads go to its mirrors alone.
    pub is_read: bool,
}

impl Endpoint {
    pub fn new(host: &str, repository: &str) -> Self {
        let insecure = is_loopback(host);
        Self { host: host.to_owned(), repository: repository.to_owned(), insecure, is_mirror: false, is_read: true }
    }

    /// The host, with its port, to connect to.
    pub fn address(&self) -> &str {
        address(&self.host)
    }

    /// The URL of `path` below `/v2/`.
    pub fn url(&self, scheme: &str, path: &str) -> Result<Url, RegistryError> {
        let text = format!("{scheme}://{}/v2/{path}", self.address());
        Url::parse(&text).map_err(|error| RegistryError::BadAnswer {
            host: self.host.clone(),
            method: "GET",
            url: text.clone(),
            reason: error.to_string(),
        })
    }
}

pub fn address(host: &str) -> &str {
    if host == HUB { HUB_ADDRESS } else { host }
}

/// Registries on this machine are accessed over plain HTTP, or TLS with unverified certificates, unless configured
/// otherwise.
pub fn is_loopback(domain: &str) -> bool {
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
