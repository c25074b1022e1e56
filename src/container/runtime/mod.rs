//! Containers that another OCI runtime starts (runc, crun, ...), for users who want its isolation: finds the runtime,
//! writes its bundle, and runs its commands.
//!
//! ```text
//! <folder>/config.json, rootfs  the bundle; its root filesystem is only mounted for this process and its children
//! <folder>/state                the runtime's state
//! <folder>/log.json             the last error of the runtime
//! ```
//!
//! The container's first process becomes a child of the process that calls [`Bundle::create`], so that its end is
//! detected like that of rbuild's own containers. Knows nothing about images, the store or the names of containers.

mod bundle;
mod command;
mod console;
mod error;
mod program;
mod version;

pub use bundle::{Bundle, Created};
pub use error::RuntimeError;
pub use program::{Runtime, installed};

/// rbuild itself, as the name of a runtime.
pub const OWN: &str = "rbuild";
