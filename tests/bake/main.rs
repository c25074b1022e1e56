//! `rbuild bake` with the real binary, on small projects.

#[path = "../common/mod.rs"]
mod common;

mod builds;
mod definitions;
mod remote;
mod side_by_side;
#[path = "../support/web.rs"]
mod web;
