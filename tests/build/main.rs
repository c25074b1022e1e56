//! Builds with the real binary, one file for each kind of behaviour.

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

mod authorities;
mod big;
mod caching;
mod context_files;
mod contexts;
mod devices;
mod errors;
mod failed;
mod foreign;
mod git;
mod image_contents;
mod interrupted;
mod language;
mod mounts;
mod odd_files;
mod outputs;
mod places;
mod platforms;
mod private;
mod progress;
mod remembered;
mod rules;
mod side_by_side;
mod squash;
mod ssh;
mod stages;
mod telemetry;
mod watching;
