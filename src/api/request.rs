//! The request of a page.

use std::io;

use hyper::header::{CONNECTION, HeaderMap, UPGRADE};
use serde::de::DeserializeOwned;

use super::body::Body;
use super::error::ApiError;
use super::gone::Gone;
use super::query::Query;
use super::version::Version;
use crate::base::any_case;

/// One request, with its route.
pub struct Request {
    pub version: Version,
    /// The values of the path's parts in braces.
    pub path: Vec<(&'static str, String)>,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Body,
    pub gone: Gone,
}

impl Request {
    /// The part of the path with that name. Route and page must agree on the name.
    pub fn part(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
    }

    /// The body as JSON, which is required.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let value = self
            .body
            .json()?
            .ok_or_else(|| ApiError::bad_request("invalid JSON: got EOF while reading request body"))?;
        read(value)
    }

    /// The same for an optional body.
    pub fn json_or_default<T: DeserializeOwned + Default>(&mut self) -> Result<T, ApiError> {
        self.body.json()?.map_or_else(|| Ok(T::default()), read)
    }

    /// Drains the rest of a body after an error: a client that is still sending would never see the error.
    pub fn let_finish<T, E>(&mut self, done: Result<T, E>) -> Result<T, E> {
        if done.is_err() {
            // If the client is gone, this does not matter.
            let _ = io::copy(&mut self.body, &mut io::sink());
        }
        done
    }

    /// The protocol that the client wants to upgrade to, in lower case.
    pub fn upgrade(&self) -> Option<String> {
        let wants = |name: &hyper::header::HeaderName| {
            let values = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).map(|word| word.trim().to_lowercase()).collect::<Vec<_>>()
        };
        wants(&CONNECTION).contains(&"upgrade".to_owned()).then(|| wants(&UPGRADE).into_iter().next())?
    }
}

fn read<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, ApiError> {
    any_case::read(value).map_err(|error| ApiError::bad_request(format!("invalid JSON: {error}")))
}
