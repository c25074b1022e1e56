//! The languages that users write: Dockerfiles, the plan of steps that one means, and bake files.

pub mod bake;
pub mod dockerfile;
pub mod plan;
