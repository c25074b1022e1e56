//! Attacks on the host: by an image, a Dockerfile, a container, a stream, another user. Each is carried out with the
//! real binary, and then the host's file is compared, never a message. SECURITY.md names these tests.

#[path = "../common/mod.rs"]
mod common;
mod fixtures;
#[allow(dead_code, reason = "attacks need only some of what it can")]
#[path = "../containers/machine.rs"]
mod machine;
#[path = "../support/web.rs"]
mod web;

// A file for each kind of attack.
mod builds;
mod cgroups;
mod commands;
mod credentials;
mod descriptors;
mod devices;
mod exchanged;
mod fixtures_work;
mod init;
mod input;
mod layouts;
mod loaded;
mod monitors;
mod outgoing;
mod output;
mod ownership;
mod remapped;
mod repositories;
mod security_page;
mod sources;
mod streams;
mod volumes;
