//! `rbuild bake` with the real binary, on small projects.

#[path = "../common/mod.rs"]
mod common;

mod builds;
mod definitions;
mod side_by_side;
