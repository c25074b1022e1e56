//! Containers that another OCI runtime starts (runc, crun, ...), for who wants its isolation: where the runtime is, what
//! it is told (a bundle), and its commands.
//!
//! ```text
//! <folder>/config.json, rootfs  the bundle; the root filesystem is mounted there for this process and its children only
//! <folder>/state                what the runtime keeps
//! <folder>/log.json             what it complained of last
//! ```
//!
//! The container's first process becomes a child of the process that calls [`Bundle::create`], so that its end is known
//! as that of a container of rbuild's own. Must not know images, the store or what a container is called.

mod bundle;
mod command;
mod console;
mod error;
mod program;
mod version;

pub use bundle::{Bundle, Created};
pub use error::RuntimeError;
pub use program::{Runtime, installed};

/// rbuild itself, where the name of a runtime is expected.
pub const OWN: &str = "rbuild";
