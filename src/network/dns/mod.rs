//! The name server of containers in networks that people made: names of containers, and the host's servers for the rest.

mod message;
mod names;
mod server;

pub(super) use names::Names;
pub(super) use server::{Sockets, Upstream, serve};
