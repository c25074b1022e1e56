//! rbuild in containers that allow less than a machine: what each gets, with the same images everywhere. The containers are
//! rbuild's own, and Docker's, for which `.ci/docker-cli` brings an engine.

#[path = "../common/mod.rs"]
mod common;

#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/web.rs"]
mod web;

mod containers;
mod emulated;
mod hostile;
mod image;
mod integrations;
mod matrix;
