//! rbuild in containers that allow less than a machine: which isolation is used, with the same images everywhere. The
//! containers are rbuild's own, and Docker's, for which `.ci/docker-cli` provides an engine.

#[path = "../common/mod.rs"]
mod common;

#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/web.rs"]
mod web;

mod containers;
mod emulated;
mod emulated_containers;
mod hostile;
mod image;
mod integrations;
mod matrix;
