//! A client of the Docker Engine's API: which images it has, and how to get images into it and out of it.
//!
//! Only what a builder needs. Calls block: one request after the other, over a Unix socket or TCP, with or without TLS.
//! The paths carry no version, so the engine uses its newest.

mod address;
mod client;
mod contexts;
mod images;

use std::io;

pub use address::Address;
pub use client::Engine;
pub use contexts::{context_names, settings_folder};
pub use images::{EngineImage, ImageStore};

/// Why the engine did not fulfil a request.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("`{address}` is not the address of an engine: {reason}")]
    Address { address: String, reason: &'static str },
    #[error("there is no context `{name}` in `{folder}`")]
    NoContext { name: String, folder: String },
    #[error("the context `{name}` cannot be read: {reason}")]
    Context { name: String, reason: String },
    #[error("cannot read `{file}`")]
    Certificate { file: String, source: io::Error },
    #[error("`{file}` is not a certificate or key in PEM: {source}")]
    NotPem { file: String, source: reqwest::Error },
    #[error("cannot prepare the connection to the engine")]
    Prepare(#[source] reqwest::Error),
    #[error("cannot wait for the engine")]
    Runtime(#[source] io::Error),
    #[error("the Docker Engine at {place} does not answer")]
    Unreachable { place: String, source: reqwest::Error },
    #[error("the Docker Engine at {place} ended its answer early")]
    Broken { place: String, source: reqwest::Error },
    /// In the engine's own words.
    #[error("the Docker Engine at {place} refuses: {message}")]
    Refused { place: String, message: String },
    #[error("the Docker Engine at {place} sends an answer that makes no sense")]
    Answer { place: String, source: serde_json::Error },
}
