//! Builds with the real binary, one file for each kind of behaviour.

#[path = "../common/mod.rs"]
mod common;

mod caching;
