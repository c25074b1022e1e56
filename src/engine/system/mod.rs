//! The system as a whole: disk usage, events and info.

pub mod disk_usage;
mod docker_info;
pub mod events;
mod folder_size;
pub mod info;

pub use folder_size::folder_size;
