//! Transport of images: registries, archives, OCI layouts and the Docker Engine, and what they share; and of traces to
//! a collector.

#[doc(hidden)]
pub mod archive;
pub(crate) mod cloud;
pub(crate) mod copy;
pub(crate) mod docker_engine;
#[doc(hidden)]
pub mod registry;
pub(crate) mod telemetry;
#[doc(hidden)]
pub mod transfer;
