//! The languages that users write: Dockerfiles, the plan of steps that one means, and bake files.

pub(crate) mod bake;
#[doc(hidden)]
pub mod dockerfile;
#[doc(hidden)]
pub mod plan;
