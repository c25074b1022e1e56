//! What there is as a whole: its room, its versions, what happens in it, what the machine has.

pub mod disk_usage;
mod docker_info;
pub mod events;
mod folder_size;
pub mod info;

pub use folder_size::folder_size;
