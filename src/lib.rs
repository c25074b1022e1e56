//! rbuild as a library: from a Dockerfile to an OCI image, and from an image to a running container.
//!
//! [`engine`] has what can be asked of rbuild, a verb at a time; [`build::build`] builds an image; [`store`], [`image`] and
//! [`container`] have what they work with. The modules that are hidden from these pages are public for this repository's
//! tests, benches and fuzz targets: they may change at any time.
//!
//! Each wing owns one thing, and may use those above it; `docs/architecture.md` follows a build through them.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(missing_docs)]

use std::process::ExitCode;

use base::identity::{self, Identity};

mod api;
pub mod base;
pub mod build;
mod cli;
pub mod container;
pub mod engine;
pub mod image;
pub mod language;
pub mod store;
pub mod transport;

pub use base::identity::use_program;
pub use cli::{definition, main};

/// Becomes what rbuild has started this process to be: a container's init, its monitor, a helper of the API's service.
///
/// rbuild executes its own program again for these. A program that uses this library calls this first of all in `main`,
/// before there is another thread, and ends with the code that comes out, if any; or it says with [`use_program`] which
/// file is rbuild.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     if let Some(code) = rbuild::serve_if_requested() {
///         return code;
///     }
///     // What this program is for.
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn serve_if_requested() -> Option<ExitCode> {
    identity::serve();
    match Identity::of_this_process()? {
        // Neither returns.
        Identity::Init | Identity::SmallInit => {
            container::sandbox::init_if_requested();
            None
        }
        Identity::Monitor => {
            container::serve_as_monitor();
            Some(ExitCode::SUCCESS)
        }
        Identity::Copier => {
            container::serve_as_copier();
            Some(ExitCode::SUCCESS)
        }
        Identity::Job => Some(api::work()),
        Identity::Sync => Some(cli::main()),
        // It goes on with the command that it was started with.
        Identity::Anew => None,
    }
}
