//! Images in registries: resolving names, and pulling.
//!
//! Speaks the OCI distribution protocol through oci-client, one request at a time; the only async code is in here, and
//! callers see blocking functions. Knows no builds. Answers hop 3 of a build for bases that the store has not got.

mod client;
mod credentials;
mod error;
mod lazy;
mod pull;
mod resolve;

pub use client::{Registry, Settings};
pub use error::RegistryError;
pub use lazy::{pull_lazily, repository_of, source_of};
pub use pull::{Progress, Pulled, Silent, pull};
pub use resolve::Resolved;
