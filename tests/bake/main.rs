//! `rbuild bake` with the real binary, on small projects.

#[path = "../common/mod.rs"]
mod common;

mod builds;
mod definitions;
mod pushes;
#[path = "../support/registry.rs"]
mod registry;
mod remote;
mod side_by_side;
#[path = "../support/web.rs"]
mod web;
