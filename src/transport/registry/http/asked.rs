//! What was asked of a registry.

use super::Endpoint;

/// What was asked, for errors.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub endpoint: &'a Endpoint,
    pub method: &'static str,
    pub url: &'a str,
    /// The image or repository, as the user calls it.
    pub name: &'a str,
    /// The blob that was asked for, if it was one.
    pub blob: Option<&'a str>,
}
