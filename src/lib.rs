//! rbuild as a library: from a Dockerfile to an OCI image, and from an image to a running container.
//!
//! Each wing owns one thing, and may use those above it; `docs/architecture.md` follows a build through them.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod api;
pub mod base;
pub mod build;
pub mod cli;
pub mod container;
pub mod engine;
pub mod image;
pub mod language;
pub mod store;
pub mod transport;
