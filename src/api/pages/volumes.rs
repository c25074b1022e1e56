//! Volumes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::ApiError;
use crate::api::refusals::{of_volume, of_volume_user};
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::api::version::Version;
use crate::base::Filters;
use crate::container::ContainerError;
use crate::container::volume::{NewVolume, VolumeError, Volumes};
use crate::engine::{Uncounted, volume};

/// In earlier versions, a prune also removed named volumes.
const NAMED_ARE_KEPT: Version = Version::new(1, 42);

pub fn list(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let filters = Filters::parse(&request.query.filters()?, &volume::FILTERS)?;
    let records = volume::list(service.root(), &filters)?;
    let rows: Vec<Value> = records.iter().map(volume::describe).collect();
    Ok(Response::json(&json!({"Volumes": rows, "Warnings": null}))?)
}

pub fn inspect(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let name = request.part("name");
    let record = Volumes::of(service.root()).find(name).map_err(|error| of_volume(error, "get", name))?;
    Ok(Response::json(&volume::describe(&record))?)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VolumeBody {
    name: String,
    driver: String,
    driver_opts: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    cluster_volume_spec: Option<Value>,
}

/// An existing volume of that name is returned unchanged.
pub fn create(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let body: VolumeBody = request.json_or_default()?;
    if body.cluster_volume_spec.is_some() {
        return Err(ApiError::new(503, "volume create of cluster volumes is not possible: swarm is unavailable"));
    }
    let name = body.name.clone();
    let driver = if body.driver.is_empty() { "local".to_owned() } else { body.driver };
    let new = NewVolume { name: body.name, driver, labels: body.labels, options: body.driver_opts };
    let record = volume::create(service.root(), new).map_err(|error| of_volume(error, "create", &name))?;
    Ok(Response::json(&volume::describe(&record))?.status(201))
}

/// docker's message outside a swarm.
pub fn update(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Err(ApiError::new(503, "volume update only valid for cluster volumes, but swarm is unavailable"))
}

pub fn remove(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let name = request.part("name");
    match volume::remove(service.root(), name) {
        Err(ContainerError::Volume(VolumeError::NotFound { .. })) if request.query.flag("force") => {}
        Err(error @ ContainerError::Volume(VolumeError::NotFound { .. })) => {
            return Err(of_volume_user(error, "get", name));
        }
        removed => removed.map_err(|error| of_volume_user(error, "remove", name))?,
    }
    Ok(Response::empty(204))
}

pub fn prune(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let filters = Filters::parse(&request.query.filters()?, &volume::PRUNE_FILTERS)?;
    let all = request.version < NAMED_ARE_KEPT;
    let pruned = volume::prune(service.root(), all, &filters, &Uncounted)?;
    Ok(Response::json(&json!({"VolumesDeleted": pruned.removed, "SpaceReclaimed": pruned.reclaimed}))?)
}
