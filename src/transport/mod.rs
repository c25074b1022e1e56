//! How images come and go: registries, archives, OCI layouts and Docker's engine, and what all of them share; and traces to a collector.

pub mod archive;
pub mod cloud;
pub mod copy;
pub mod docker_engine;
pub mod registry;
pub mod telemetry;
pub mod transfer;
