//! Docker's API over HTTP: a request → what an engine's verb is asked → its answer as docker's JSON or stream.
//!
//! Owns the wire and docker's documents for it, and nothing else: no state is kept between two requests, and each opens
//! what it needs in the store. Containers live on by their monitors, whatever becomes of the service.
//!
//! ```text
//! address    where it may be listened: a path, a descriptor of systemd's, an address of a network
//! listener   sockets at these (a path's is a socket_file), and who may reach them; tls whoever proves it by a certificate
//! remote     a client behind a network, for whom a pair of sockets stands in
//! server     connections, and when the service ends
//! exchange   one request: found in the router, answered on a thread of its own
//! routes     the table of all pages
//! pages/     what is on them
//! messages   answers that are streams of JSON, which say what is being done
//! ```

mod address;
mod body;
mod credentials;
mod error;
mod exchange;
mod gone;
mod helper;
mod hijack;
mod listen_error;
mod listener;
mod messages;
mod multiplexed;
mod output;
mod pages;
mod query;
mod refusals;
mod remote;
mod request;
mod response;
mod router;
mod routes;
mod server;
mod service;
mod socket_file;
mod tls;
mod version;
mod websocket;

pub use address::Address;
pub use error::ApiError;
pub use helper::work;
pub use listen_error::ListenError;
pub use listener::Access;
pub use server::{Lifetime, serve};
pub use service::Service;
pub use tls::{Certificates, Clients, Encryption};
