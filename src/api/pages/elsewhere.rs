//! Endpoints of features that this engine does not have: swarms, plugins, BuildKit's own API.

use serde_json::json;

use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;

/// docker's message outside a swarm.
pub fn no_swarm(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Err(ApiError::new(
        503,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to \
         swarm and try again.",
    ))
}

/// The same of leaving one.
pub fn no_swarm_to_leave(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Err(ApiError::new(503, "This node is not part of a swarm"))
}

pub fn no_plugins(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Ok(Response::json(&json!([]))?)
}

/// A plugin is a service that an engine keeps running and calls; rbuild has no process that lives on to do so
/// (docs/differences.md).
pub fn no_plugin_support(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Err(ApiError::new(501, "plugins are not supported: rbuild's networks, volumes and logs are its own"))
}

pub fn no_such_plugin(_: &Service, request: &mut Request) -> Result<Response, ApiError> {
    Err(ApiError::not_found(format!("plugin {:?} not found", request.part("name"))))
}

/// Docker's CLI and Compose show this. The build plugin does not use these endpoints.
pub fn build_plugin(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Err(ApiError::new(
        501,
        "this engine is rbuild, which does not speak BuildKit's protocol: install rbuild as docker's build plugin \
         (`rbuild docker-plugin install`), or set DOCKER_BUILDKIT=0",
    ))
}

/// docker has these as an experimental feature with CRIU, and refuses them without it.
pub fn no_checkpoints(_: &Service, _: &mut Request) -> Result<Response, ApiError> {
    Err(ApiError::new(501, "checkpoints are not supported: rbuild saves no state of processes"))
}
