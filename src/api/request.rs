//! What a page is asked.

use std::io;

use hyper::header::{CONNECTION, HeaderMap, UPGRADE};
use serde::de::DeserializeOwned;

use super::body::Body;
use super::error::ApiError;
use super::gone::Gone;
use super::query::Query;
use super::version::Version;
use crate::base::any_case;

/// One request, found in the table.
pub struct Request {
    pub version: Version,
    /// What the parts of the path in braces are here.
    pub path: Vec<(&'static str, String)>,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Body,
    pub gone: Gone,
}

impl Request {
    /// The part of the path with that name. The table and the page agree on it.
    pub fn part(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
    }

    /// The body as JSON. It has to be there.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let value = self
            .body
            .json()?
            .ok_or_else(|| ApiError::bad_request("invalid JSON: got EOF while reading request body"))?;
        read(value)
    }

    /// The same where there may be none.
    pub fn json_or_default<T: DeserializeOwned + Default>(&mut self) -> Result<T, ApiError> {
        self.body.json()?.map_or_else(|| Ok(T::default()), read)
    }

    /// Reads what is left of a body whose reading failed: a client that still sends would never see why.
    pub fn let_finish<T, E>(&mut self, done: Result<T, E>) -> Result<T, E> {
        if done.is_err() {
            // Where the client is gone there is nobody to tell.
            let _ = io::copy(&mut self.body, &mut io::sink());
        }
        done
    }

    /// What it wants the connection to become, in lower case.
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
