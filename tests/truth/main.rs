//! Guarantees: every executed step says why, and nothing wrong is ever served.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/web.rs"]
mod web;

mod causes;
mod crash;
mod crowd;
mod damage;
mod digest;
mod disk;
mod power;
mod space;
mod stale;
mod versions;
