//! Layers that stay where they are, and caches that machines share.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/web.rs"]
mod web;

mod broken;
mod lazy;
mod shared;
