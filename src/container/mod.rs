//! Containers that people start: from an image and options to a running program, and what is kept of it.
//!
//! ```text
//! containers/<id>/config.json   what it is and how it ended, in the words of docker's inspect
//! containers/<id>/upper, work   what it changed
//! containers/<id>/volumes/<n>/  what it wrote to the image's volumes
//! containers/<id>/lock          locked while it runs
//! containers/<id>/auto-remove   there when it is to go when it has ended
//! containers/by-name/<name>     leads to the ID
//! ```
//!
//! Must not know builds. Hop 12.

mod attach;
mod directory;
mod error;
mod names;
mod options;
mod raw_mode;
mod record;
mod start;

pub use attach::Streams;
pub use directory::{Containers, Entry};
pub use error::ContainerError;
pub use options::{ContainerOptions, NetworkOptions, VolumeMount, VolumeSource};
pub use record::{Record, State};
pub use start::{Ended, Image, run};
