//! rbuild as a library: from a Dockerfile to an OCI image, and from an image to a running container.
//!
//! Each folder owns one thing; `docs/architecture.md` draws the road of a build through them.

pub mod archive;
pub mod bake;
pub mod base;
pub mod build;
pub mod cache;
pub mod cdi;
pub mod check;
pub mod cli;
pub mod container;
pub mod context;
pub mod copy;
pub mod digest;
pub mod docker_engine;
pub mod dockerfile;
pub mod explain;
pub mod flaw;
pub mod foreign;
pub mod image;
pub mod input;
pub mod io_error;
pub mod layer;
pub mod network;
pub mod plan;
pub mod privacy;
pub mod redaction;
pub mod registry;
pub mod rights;
pub mod runtime;
pub mod sandbox;
pub mod side_by_side;
pub mod signal;
pub mod snapshot;
pub mod solve;
pub mod store;
pub mod transfer;
pub mod volume;
