//! Configuration files: which registries there are, how they are reached, whom they are to show.

mod certificates;
mod daemon_json;
mod registries;

pub use certificates::Certificates;
pub use registries::Registries;
