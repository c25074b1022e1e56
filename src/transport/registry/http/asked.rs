//! The subject of a request to a registry.

use super::Endpoint;

/// The subject of a request, for errors.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub endpoint: &'a Endpoint,
    pub method: &'static str,
    pub url: &'a str,
    /// The image or repository, by the user's name for it.
    pub name: &'a str,
    /// The requested blob, if it was one.
    pub blob: Option<&'a str>,
}
