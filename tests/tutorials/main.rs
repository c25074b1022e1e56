//! Docker's tutorials, with `rbuild` in place of `docker`.

#[path = "../common/mod.rs"]
mod common;
#[path = "../containers/machine.rs"]
#[allow(dead_code, reason = "not every helper is needed here")]
mod machine;

mod archives;
mod commit;
mod host;
mod library;
mod names;
mod networks;
mod ordinary;
mod ports;
mod shared_namespaces;
mod volumes;
mod web;
