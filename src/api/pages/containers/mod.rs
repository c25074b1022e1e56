//! Containers.

pub mod exec;
pub mod files;
pub mod life;
pub mod logs;
pub mod look;
pub mod stats;
pub mod streams;

use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::service::Service;
use crate::container::Entry;

/// The container in the path.
fn named(service: &Service, request: &Request) -> Result<Entry, ApiError> {
    Ok(service.containers().find(request.part("id").trim_start_matches('/'))?)
}
