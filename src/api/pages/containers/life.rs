//! The life of containers, from `create` to `remove`.

use serde_json::{Value, json};

use super::named;
use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::{JSON, Response};
use crate::api::service::Service;
use crate::base::Filters;
use crate::container::{
    Cancel, ContainerError, Entry, HostConfigError, Removal, Resources, RestartPolicyDocument, Stop, WaitFor,
};
use crate::engine::Uncounted;
use crate::engine::container::{
    CreateRequest, PRUNE_FILTERS, Starting, UpdateRequest, ahead_of, create as make, is_startable, kill as end_at_once,
    prune as clear, remove as discard, remove_link, restart as end_and_start, signal_of, stop as end, update as change,
};

const KILL: i32 = 9;

pub fn create(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let body = request
        .body
        .json()?
        .ok_or_else(|| ApiError::bad_request("invalid JSON: got EOF while reading request body"))?;
    let platform = request.query.text("platform").map(str::parse).transpose()?;
    let name = request.query.text("name").map(|name| name.trim_start_matches('/').to_owned());
    let request = CreateRequest { name, platform, body };
    let created = make(&service.store()?, request)?;
    let answer = json!({"Id": created.entry.record.id, "Warnings": created.warnings});
    Ok(Response::json(&answer)?.status(201))
}

pub fn start(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    if !is_startable(&entry)? {
        return Ok(Response::empty(304));
    }
    begin(service, &entry)?;
    Ok(Response::empty(204))
}

fn begin(service: &Service, entry: &Entry) -> Result<(), ApiError> {
    let mut starting = Starting::begin_with(1, ahead_of(&entry.record), service.root())?;
    starting.start(&service.containers(), entry)?;
    Ok(())
}

fn stop_of(request: &Request) -> Result<Stop, ApiError> {
    let signal = request.query.text("signal").map(signal_of).transpose()?;
    Ok(Stop { signal, timeout: request.query.number("t")?, keep: false, is_removal: false })
}

pub fn stop(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let ran = end(&entry, stop_of(request)?)?;
    Ok(Response::empty(if ran { 204 } else { 304 }))
}

pub fn restart(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let stop = stop_of(request)?;
    end_and_start(&service.containers(), &entry, stop, |entry| begin(service, entry))?;
    Ok(Response::empty(204))
}

pub fn kill(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let number = request.query.text("signal").map_or(Ok(KILL), signal_of)?;
    end_at_once(&entry, number).map_err(|error| {
        let error = match error {
            ContainerError::NotRunning { .. } => {
                ApiError::conflict(format!("container {} is not running", entry.record.id))
            }
            error => error.into(),
        };
        error.context(&format!("cannot kill container: {}", request.part("id")))
    })?;
    Ok(Response::empty(204))
}

pub fn pause(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    named(service, request)?.pause()?;
    Ok(Response::empty(204))
}

pub fn unpause(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    named(service, request)?.unpause().map_err(|error| ApiError { status: 500, ..ApiError::from(error) })?;
    Ok(Response::empty(204))
}

pub fn rename(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let name = request.query.text("name").unwrap_or_default().trim_start_matches('/');
    if name.is_empty() {
        return Err(ApiError::bad_request("Neither old nor new names may be empty"));
    }
    if name == entry.record.plain_name() {
        return Err(ApiError::bad_request("Renaming a container with the same name as its current name"));
    }
    service.containers().rename(&entry, name)?;
    Ok(Response::empty(204))
}

pub fn remove(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let containers = service.containers();
    if request.query.flag("link") {
        remove_link(&containers, request.part("id"))?;
        return Ok(Response::empty(204));
    }
    let entry = named(service, request)?;
    let removal = Removal { force: request.query.flag("force"), volumes: request.query.flag("v") };
    discard(&containers, &entry, removal)?;
    Ok(Response::empty(204))
}

pub fn wait(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let what = match request.query.text("condition") {
        None | Some("not-running") => WaitFor::NotRunning,
        Some("next-exit") => WaitFor::NextExit,
        Some("removed") => WaitFor::Removed,
        Some(other) => return Err(ApiError::bad_request(format!("invalid condition: {other:?}"))),
    };
    let waiting = named(service, request)?.waiting(what)?;
    // The head is sent immediately: clients wait for it before they start the container.
    Ok(Response::stream(JSON, move |output| {
        let gone = output.gone.descriptor()?;
        let cancel = Cancel::readable(std::os::fd::AsFd::as_fd(&gone));
        let answer = match waiting.wait(cancel) {
            Ok(None) => return Ok(()),
            Ok(Some(ending)) => match ending.error {
                Some(error) => json!({"StatusCode": ending.exit_code, "Error": {"Message": error}}),
                None => json!({"StatusCode": ending.exit_code}),
            },
            Err(error) => json!({"StatusCode": -1, "Error": {"Message": ApiError::from(error).message}}),
        };
        output.json(&answer, "\n")
    }))
}

/// Updates the fields that the body contains.
pub fn update(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let body: Value = request.json()?;
    let wrong = |error: serde_json::Error| ApiError::bad_request(format!("invalid JSON: {error}"));
    let given: Resources = serde_json::from_value(body.clone()).map_err(wrong)?;
    let restart_policy: Option<RestartPolicyDocument> = body
        .get("RestartPolicy")
        .filter(|policy| policy["Name"].as_str().is_some_and(|name| !name.is_empty()))
        .map(|policy| serde_json::from_value(policy.clone()))
        .transpose()
        .map_err(wrong)?;
    let refused = |error: HostConfigError| ApiError::bad_request(error.to_string());
    let restart_policy = restart_policy.map(TryInto::try_into).transpose().map_err(refused)?;
    let apply = |resources: &mut Resources| given.add_to(resources);
    change(&service.containers(), &entry, &UpdateRequest { apply: &apply, restart_policy })?;
    Ok(Response::json(&json!({"Warnings": []}))?)
}

pub fn prune(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let filters = Filters::parse(&request.query.filters()?, &PRUNE_FILTERS)?;
    let pruned = clear(&service.containers(), &filters, &Uncounted)?;
    Ok(Response::json(&json!({"ContainersDeleted": pruned.removed, "SpaceReclaimed": pruned.reclaimed}))?)
}
