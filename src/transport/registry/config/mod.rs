//! Configuration files: which registries there are, how they are reached, whom they are to show.

mod buildkitd;
mod certificates;
mod daemon_json;
mod registries;

pub use buildkitd::BuildkitRegistries;
pub use certificates::Certificates;
pub use registries::Registries;
