//! The engine itself.

use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::engine::system::info as machine;
use crate::engine::version;

/// What clients ask before all else, to learn by the headers which version is spoken.
pub fn ping(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Ok(Response::text("OK")
        // BuildKit's own API is not spoken here.
        .header("Builder-Version", "1")
        .header("Swarm", "inactive")
        .header("Cache-Control", "no-cache, no-store, must-revalidate")
        .header("Pragma", "no-cache"))
}

pub fn version(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Ok(Response::json(&version::facts()["Server"])?)
}

pub fn info(service: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Ok(Response::json(&machine::facts(&service.store()?)?)?)
}
