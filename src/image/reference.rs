//! Names of images, normalised as docker normalises them (`python` is `docker.io/library/python:latest`).
//!
//! The grammar is that of github.com/distribution/reference; `shared/corpus/references.jsonl` was measured from it.

use std::fmt;
use std::str::FromStr;

use super::reference_grammar::{self as grammar, Parts};
use crate::base::digest::BlobDigest;

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
/// The longest path that docker and registries accept.
const PATH_LIMIT: usize = 255;

/// Why a text is not an image name. Each message starts with docker's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum InvalidReference {
    #[error("invalid reference format: `{text}`: {reason}")]
    Format { text: String, reason: &'static str },
    #[error("invalid reference format: repository name ({name}) must be lowercase")]
    Uppercase { name: String },
    #[error("invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId { text: String },
    #[error("repository name must not be more than {PATH_LIMIT} characters")]
    TooLong,
    #[error("unsupported digest algorithm: `{digest}`")]
    DigestAlgorithm { digest: String },
    #[error("invalid checksum digest length: `{digest}`")]
    DigestLength { digest: String },
    #[error("invalid checksum digest format: `{digest}`")]
    DigestFormat { digest: String },
}

/// A digest in a reference. It may be of an algorithm that the store doesn't keep; see [`Reference::blob_digest`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferenceDigest(String);

impl ReferenceDigest {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A normalised image name: registry, repository, and a tag, a digest, or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<ReferenceDigest>,
}

impl Reference {
    /// Parses a name, and leaves it without a tag if it has none (`docker save python` means all tags).
    pub fn parse_without_default_tag(text: &str) -> Result<Self, InvalidReference> {
        if grammar::is_identifier(text) {
            return Err(InvalidReference::LooksLikeId { text: text.to_owned() });
        }
        let (domain, remainder) = split_domain(text);
        let name = remainder.split(':').next().unwrap_or(&remainder);
        if name.to_lowercase() != name {
            return Err(InvalidReference::Uppercase { name: name.to_owned() });
        }
        let full = format!("{domain}/{remainder}");
        let parts = grammar::parse(&full)
            .ok_or_else(|| InvalidReference::Format { text: text.to_owned(), reason: grammar::explain(text) })?;
        Self::from_parts(parts)
    }

    fn from_parts(parts: Parts<'_>) -> Result<Self, InvalidReference> {
        if parts.path.len() > PATH_LIMIT {
            return Err(InvalidReference::TooLong);
        }
        Ok(Self {
            domain: parts.domain.to_owned(),
            path: parts.path.to_owned(),
            tag: parts.tag.map(str::to_owned),
            digest: parts.digest.map(check_digest).transpose()?,
        })
    }

    /// The registry's host, with its port; `docker.io` for Docker Hub.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry, such as `library/python`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if it has one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if it has one.
    pub fn digest(&self) -> Option<&ReferenceDigest> {
        self.digest.as_ref()
    }

    /// The digest, when it is a SHA-256.
    pub fn blob_digest(&self) -> Option<BlobDigest> {
        self.digest.as_ref()?.as_str().parse().ok()
    }

    /// The repository's full name, without tag and digest: `docker.io/library/python`.
    pub fn repository(&self) -> String {
        if self.domain.is_empty() { self.path.clone() } else { format!("{}/{}", self.domain, self.path) }
    }

    /// The repository as docker shows it: `python`, `ghcr.io/owner/name`.
    pub fn familiar_repository(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.repository();
        }
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(name) if !name.contains('/') => name.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The shortest form that means the same, as docker shows it: `python:3.12`.
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_repository(), self.suffix())
    }

    /// The same name with `latest` as its tag, if it has neither tag nor digest.
    pub fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// The same repository with another tag and no digest. `tag` must be valid: the result is checked.
    pub fn with_tag(&self, tag: &str) -> Result<Self, InvalidReference> {
        if !grammar::is_tag(tag) {
            return Err(InvalidReference::Format { text: tag.to_owned(), reason: grammar::BAD_TAG });
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository by digest alone.
    pub fn with_digest(&self, digest: &BlobDigest) -> Self {
        Self { tag: None, digest: Some(ReferenceDigest(digest.to_string())), ..self.clone() }
    }

    /// The same name without its digest.
    pub fn without_digest(&self) -> Self {
        Self { digest: None, ..self.clone() }
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{}", digest.0)).unwrap_or_default();
        tag + &digest
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    /// Parses a name as a user types it; without a tag or digest it gets the tag `latest`.
    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        Self::parse_without_default_tag(text).map(Self::with_default_tag)
    }
}

impl fmt::Display for Reference {
    /// The full form, `docker.io/library/python:latest`, under which tags are stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.repository(), self.suffix())
    }
}

/// Splits off the registry. The first word is a registry if it has a dot or a port, is `localhost`, or can't be part of
/// a repository because it has capitals.
fn split_domain(text: &str) -> (&str, String) {
    let (domain, remainder) = match text.split_once('/') {
        None => (DEFAULT_DOMAIN, text),
        Some((LEGACY_DEFAULT_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) || first.to_lowercase() != first => {
            (first, rest)
        }
        Some(_) => (DEFAULT_DOMAIN, text),
    };
    if domain == DEFAULT_DOMAIN && !remainder.contains('/') {
        (domain, format!("{OFFICIAL_PREFIX}{remainder}"))
    } else {
        (domain, remainder.to_owned())
    }
}

fn check_digest(text: &str) -> Result<ReferenceDigest, InvalidReference> {
    let digest = || text.to_owned();
    let (algorithm, hex) = text.split_once(':').ok_or_else(|| InvalidReference::DigestFormat { digest: digest() })?;
    if algorithm.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(InvalidReference::DigestFormat { digest: digest() });
    }
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(InvalidReference::DigestAlgorithm { digest: digest() }),
    };
    if hex.len() != length {
        return Err(InvalidReference::DigestLength { digest: digest() });
    }
    if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(InvalidReference::DigestFormat { digest: digest() });
    }
    Ok(ReferenceDigest(digest()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_normalise_as_dockers_do() {
        for (text, full, familiar) in [
            ("python", "docker.io/library/python:latest", "python:latest"),
            ("foo/bar:1", "docker.io/foo/bar:1", "foo/bar:1"),
            ("index.docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
            ("localhost:5000/foo", "localhost:5000/foo:latest", "localhost:5000/foo:latest"),
            ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
            ("EXAMPLE/foo", "EXAMPLE/foo:latest", "EXAMPLE/foo:latest"),
            ("x_y.z/w", "x_y.z/w:latest", "x_y.z/w:latest"),
            ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!((reference.to_string().as_str(), reference.familiar().as_str()), (full, familiar), "{text}");
        }
    }

    #[test]
    fn a_tag_can_be_replaced_only_by_a_tag() {
        let reference: Reference = "busybox:1".parse().unwrap();
        assert_eq!(reference.with_tag("2").unwrap().familiar(), "busybox:2");
        assert!(reference.with_tag("a/b").is_err());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let message = |text: &str| text.parse::<Reference>().unwrap_err().to_string();
        assert_eq!(message("alpine:"), "invalid reference format: `alpine:`: the tag after `:` is empty");
        assert_eq!(
            message("https://docker.io/alpine"),
            "invalid reference format: `https://docker.io/alpine`: an image name has no `scheme://`"
        );
        assert_eq!(message("example/Foo"), "invalid reference format: repository name (example/Foo) must be lowercase");
    }
}
