//! Lists and inspects containers.

use std::os::unix::ffi::OsStrExt as _;

use serde_json::{Value, json};

use super::life::of_state;
use super::named;
use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::container::{Change, changes as find_changes};
use crate::engine::container::{ListRequest, RequestError, describe, rows, top as find_processes};

pub fn list(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let query = &request.query;
    let last = query.number("limit")?.and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
    let asked = ListRequest { all: query.flag("all"), last, filters: query.filters()? };
    Ok(Response::json(&rows(&service.store()?, &asked, query.flag("size"))?)?)
}

pub fn inspect(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    Ok(Response::json(&describe(&service.store()?, &entry, request.query.flag("size"))?)?)
}

pub fn top(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let options: Vec<String> =
        request.query.text("ps_args").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let processes = find_processes(&service.containers(), &entry, &options).map_err(|error| {
        let error = match error {
            RequestError::Container(error) => of_state(error, &entry),
            error => error.into(),
        };
        // docker's status for an error of ps(1).
        if error.status == 400 { ApiError { status: 500, ..error } } else { error }
    })?;
    Ok(Response::json(&json!({"Titles": processes.titles, "Processes": processes.rows}))?)
}

pub fn changes(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let one = |(path, change): (&std::path::PathBuf, &Change)| {
        let kind = match change {
            Change::Changed => 0,
            Change::Added => 1,
            Change::Deleted => 2,
        };
        json!({"Path": String::from_utf8_lossy(path.as_os_str().as_bytes()), "Kind": kind})
    };
    let found: Vec<Value> = find_changes(&entry)?.iter().map(one).collect();
    Ok(Response::json(&if found.is_empty() { Value::Null } else { found.into() })?)
}
