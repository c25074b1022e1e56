//! Registry credentials in a request. Those of the service's own user are never used for clients.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::request::Request;
use crate::transport::registry::{GivenCredentials, Settings};

/// For the request's registry (`X-Registry-Auth`). Like docker, ignores what it can't parse.
pub fn of_registry(request: &Request) -> Result<Settings, ApiError> {
    settings(GivenCredentials::everywhere(header(request, "x-registry-auth")))
}

/// For all registries that a build may use (`X-Registry-Config`).
pub fn of_registries(request: &Request) -> Result<Settings, ApiError> {
    settings(GivenCredentials::by_registry(header(request, "x-registry-config")))
}

/// Adds the service's own registry settings: mirrors, certificates.
pub fn settings(credentials: GivenCredentials) -> Result<Settings, ApiError> {
    Ok(Settings { credentials: Some(credentials), ..Settings::from_environment()? })
}

fn header(request: &Request, name: &str) -> Map<String, Value> {
    request.header(name).and_then(decoded).unwrap_or_default()
}

/// Base64 of JSON: the URL-safe alphabet as docker specifies, and the standard one as some clients use; with or without
/// padding.
fn decoded(text: &str) -> Option<Map<String, Value>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engines = [URL_SAFE, STANDARD].map(|alphabet| GeneralPurpose::new(&alphabet, config));
    let bytes = engines.iter().find_map(|engine| engine.decode(text).ok())?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_padding() {
        for text in ["eyJhIjoiYj8ifQ==", "eyJhIjoiYj8ifQ", "eyJ1IjoiPz8_In0=", "eyJ1IjoiPz8/In0="] {
            assert!(decoded(text).is_some_and(|fields| fields.len() == 1), "{text}");
        }
        assert!(decoded("%").is_none() && decoded("W10=").is_none());
    }
}
