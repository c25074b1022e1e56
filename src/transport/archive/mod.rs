//! Images in files: docker's archives, OCI archives and layouts, and root filesystems as tar. Part of hop 12 of a build.
//!
//! Reads what docker (old and new), podman, skopeo and BuildKit write, from a file or a pipe, in one pass; writes what
//! they read. Knows no builds and no registries.

mod candidate;
mod contents;
mod docker_format;
mod error;
mod import;
mod load;
mod oci_format;
mod partial;
mod save;
mod tar_output;
mod to_file;

pub use candidate::{LoadOptions, Selection};
pub use contents::Source;
pub use error::ArchiveError;
pub use import::{Import, import};
pub use load::{Loaded, load};
pub use partial::save_above;
pub use save::{NamedImage, SaveFormat, save, save_beside};
pub use to_file::{folder_to_tar, save_to_file, write_file};
