//! Docker's API over HTTP: a request → a verb of the engine → docker's JSON or stream.
//!
//! Owns only the HTTP interface and docker's documents for it: there is no state between two requests, and each opens
//! what it needs in the store. Containers live on through their monitors, even if the service ends.
//!
//! ```text
//! address    where to listen: a path, a descriptor from systemd, a network address
//! listener   the sockets (socket_file for a path), and who may use them; tls for client certificates
//! remote     a client on the network, connected through a pair of sockets
//! server     connections, and the end of the service
//! exchange   one request: looked up in the router, handled on its own thread
//! routes     the table of all pages
//! pages/     their handlers
//! messages   responses that are streams of JSON messages about progress
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
mod words;

pub use address::Address;
pub use error::ApiError;
pub use helper::work;
pub use listen_error::ListenError;
pub use listener::Access;
pub use server::{Lifetime, serve};
pub use service::Service;
pub use tls::{Certificates, Clients, Encryption};
