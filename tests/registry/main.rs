//! Pulling, pushing, logging in: against a registry in this process, which can be told to misbehave, and against
//! Debian's.

#[path = "../support/bad_network.rs"]
mod bad_network;
#[path = "../common/mod.rs"]
mod common;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/web.rs"]
mod web;

mod authentication;
mod commands;
mod copying;
mod debian;
mod faults;
mod image;
mod kinds;
mod memory;
mod mirrors;
mod odd;
mod refusals;
