//! Configuration files: registries, how to connect to them, and certificates.

mod buildkitd;
mod certificates;
mod daemon_json;
mod registries;

pub use buildkitd::BuildkitRegistries;
pub use certificates::Certificates;
pub use registries::Registries;
