//! The engine itself.

use jiff::Timestamp;
use serde_json::Value;

use super::containers::logs::waited_in_vain;
use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::JSON;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::base::{Filters, point_in_time};
use crate::engine::system::events::{BETWEEN_LOOKS, EventStream, EventsRequest, FILTERS, with_old_fields};
use crate::engine::system::info as docker_info;
use crate::engine::version;

/// Clients call this first, to learn the API version from the headers.
pub fn ping(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Ok(Response::text("OK")
        // BuildKit's own API is not supported here.
        .header("Builder-Version", "1")
        .header("Swarm", "inactive")
        .header("Cache-Control", "no-cache, no-store, must-revalidate")
        .header("Pragma", "no-cache"))
}

pub fn version(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Ok(Response::json(&version::facts()["Server"])?)
}

pub fn info(service: &Service, _: &mut Request) -> Result<Response, ApiError> {
    let mut facts = docker_info::facts(&service.store()?)?;
    if let Value::Object(facts) = &mut facts {
        // The client adds this.
        facts.shift_remove("ClientInfo");
    }
    Ok(Response::json(&facts)?)
}

pub fn events(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let query = &request.query;
    let time = |name: &str| {
        let wrong = |error| ApiError::bad_request(format!("invalid value for {name}: {error}"));
        query.text(name).map(|text| point_in_time(text).map_err(wrong)).transpose()
    };
    let filters = Filters::parse(&query.filters()?, &FILTERS)?;
    let asked = EventsRequest::between(filters, time("since")?, time("until")?);
    let asked = asked.map_err(|error| ApiError::bad_request(error.to_string()))?;
    let mut events = EventStream::open(service.root(), asked)?;
    Ok(Response::stream(JSON, move |output| {
        let gone = output.gone.descriptor()?;
        loop {
            // Checked first, so that all events before that are in the stream.
            let is_over = events.is_over(Timestamp::now());
            while let Some(told) = events.next_told().map_err(std::io::Error::other)? {
                output.json(&with_old_fields(&told.event)?, "\n")?;
            }
            if is_over || waited_in_vain(&gone, BETWEEN_LOOKS) {
                return Ok(());
            }
        }
    }))
}
