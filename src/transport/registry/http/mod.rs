//! Requests to registries, without any knowledge of images: connections, authentication, redirects, retries.
//!
//! oci-client does not allow control over retries, resuming, response sizes or upload chunks. So this module uses
//! reqwest directly, with oci-client's types for registries' messages. The only async code; must not know images.

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
