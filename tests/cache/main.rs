//! Layers that stay where they are, and caches that machines share.

#[path = "../support/actions.rs"]
mod actions_server;
#[path = "../support/bad_network.rs"]
mod bad_network;
#[path = "../support/bucket.rs"]
mod bucket;
#[path = "../common/mod.rs"]
mod common;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/web.rs"]
mod web;

mod actions;
mod broken;
mod buckets;
mod builders;
mod interrupted;
mod lazy;
mod mounts;
mod objects;
mod outlines;
mod readme;
mod shared;
