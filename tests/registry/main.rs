//! Pulling, pushing, logging in: with a registry in this process, which can be told to misbehave, and with Debian's.

#[path = "../support/bad_network.rs"]
mod bad_network;
#[path = "../support/bucket.rs"]
mod bucket;
#[path = "../common/mod.rs"]
mod common;
#[path = "../support/git_http.rs"]
mod git_http;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/tls.rs"]
mod tls;
#[path = "../support/web.rs"]
mod web;

mod authentication;
mod builders;
mod clouds;
mod commands;
mod copying;
mod debian;
mod faults;
mod image;
mod imagetools;
mod kaniko;
mod kinds;
mod memory;
mod mirrors;
mod odd;
mod refusals;
