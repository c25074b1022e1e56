//! Requests to registries, below any meaning: connections, authentication, redirects, tries.
//!
//! oci-client gives no hold on retries, resuming, the size of answers or the pieces of an upload, so this speaks HTTP
//! through reqwest itself, with oci-client's types for what registries say. Async only in here; must not know images.

mod asked;
mod auth;
mod challenge;
mod connection;
mod encoding;
mod endpoint;
mod failure;
mod identities;
mod io_thread;
mod request;
mod retry;
mod trust;

pub(super) use asked::Asked;
pub(super) use auth::{Refusal, Scope, Session};
pub(super) use connection::{Connections, authority};
pub(super) use encoding::{Decoding, Encoding};
pub(super) use endpoint::Endpoint;
pub(super) use failure::Failure;
pub(super) use identities::Identities;
pub(super) use io_thread::IoThread;
pub(super) use request::{Request, Service, is_same_host, stalled, too_slow};
pub(super) use retry::Tries;
