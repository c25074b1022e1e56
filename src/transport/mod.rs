//! Transport of images: registries, archives, OCI layouts and the Docker Engine, and what they share; and of traces to
//! a collector.

pub mod archive;
pub mod cloud;
pub mod copy;
pub mod docker_engine;
pub mod registry;
pub mod telemetry;
pub mod transfer;
