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
    CreateRequest, PRUNE_FILTERS, RequestError, Starting, UpdateRequest, ahead_of, create as make, is_startable,
    kill as end_at_once, prune as clear, remove as discard, remove_link, restart as end_and_start, signal_of,
    stop as end, update as change,
};

const KILL: i32 = 9;
/// Of a body that says nothing, in bytes.
const EMPTY_BODY: usize = 7;
const MOST_IGNORED: u64 = 1 << 20;

pub fn create(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let body = request
        .body
        .json()?
        .ok_or_else(|| ApiError::bad_request("invalid JSON: got EOF while reading request body"))?;
    let platform = request.query.text("platform").map(str::parse).transpose()?;
    let name = request.query.text("name").map(|name| name.strip_prefix('/').unwrap_or(name).to_owned());
    let request = CreateRequest { name, platform, body };
    let created = make(&service.store()?, request).map_err(of_create)?;
    let answer = json!({"Id": created.entry.record.id, "Warnings": created.warnings});
    Ok(Response::json(&answer)?.status(201))
}

/// A client that hears 404 pulls the image: other containers that are missing are the request's fault.
fn of_create(error: RequestError) -> ApiError {
    match error {
        RequestError::Container(error @ ContainerError::NotFound { .. }) => {
            ApiError { status: 400, ..ApiError::from(error) }
        }
        error => error.into(),
    }
}

pub fn start(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    // Shorter ones are empty objects.
    if request.body.whole(MOST_IGNORED)?.len() > EMPTY_BODY {
        return Err(ApiError::bad_request(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
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
    let context = format!("cannot kill container: {}", request.part("id"));
    let number = request.query.text("signal").map_or(Ok(KILL), signal_of);
    let number = number.map_err(|error| ApiError::from(error).context(&context))?;
    let entry = named(service, request).map_err(|error| error.context(&context))?;
    end_at_once(&entry, number).map_err(|error| of_state(error, &entry).context(&context))?;
    Ok(Response::empty(204))
}

pub fn pause(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    entry.pause().map_err(|error| of_state(error, &entry))?;
    Ok(Response::empty(204))
}

pub fn unpause(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    entry.unpause().map_err(|error| match error {
        ContainerError::NotRunning { .. } => ApiError::internal(format!("Container {} is not paused", entry.record.id)),
        error => ApiError { status: 500, ..of_state(error, &entry) },
    })?;
    Ok(Response::empty(204))
}

/// docker names a container by its ID that is not in the state that it has to be in.
pub(super) fn of_state(error: ContainerError, entry: &Entry) -> ApiError {
    let id = &entry.record.id;
    match error {
        ContainerError::NotRunning { .. } => ApiError::conflict(format!("container {id} is not running")),
        ContainerError::AlreadyPaused { .. } => ApiError::conflict(format!("Container {id} is already paused")),
        ContainerError::NotPaused { .. } => ApiError::conflict(format!("Container {id} is not paused")),
        // What its monitor says.
        ContainerError::Monitor(failure) if failure.is_conflict => {
            let name = format!("container {} is ", entry.record.plain_name());
            ApiError::conflict(match failure.message.strip_prefix(&name) {
                Some("not running") => format!("container {id} is not running"),
                Some(state) => format!("Container {id} is {state}"),
                None => failure.message,
            })
        }
        error => error.into(),
    }
}

pub fn rename(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let name = request.query.text("name").unwrap_or_default().trim_start_matches('/');
    if name.is_empty() {
        return Err(ApiError::bad_request("Neither old nor new names may be empty"));
    }
    let entry = named(service, request)?;
    if name == entry.record.plain_name() {
        return Err(ApiError::bad_request("Renaming a container with the same name as its current name"));
    }
    service.containers().rename(&entry, name).map_err(|error| {
        let error = match error {
            ContainerError::InvalidName { name } => ContainerError::InvalidName { name: format!("/{name}") },
            error => error,
        };
        ApiError::from(error).context("Error when allocating new name")
    })?;
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
    let body: Value = request.json()?;
    let entry = named(service, request)?;
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
    Ok(Response::json(&json!({"Warnings": null}))?)
}

pub fn prune(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let filters = Filters::parse(&request.query.filters()?, &PRUNE_FILTERS)?;
    let pruned = clear(&service.containers(), &filters, &Uncounted)?;
    let removed = if pruned.removed.is_empty() { Value::Null } else { json!(pruned.removed) };
    Ok(Response::json(&json!({"ContainersDeleted": removed, "SpaceReclaimed": pruned.reclaimed}))?)
}
