//! Volumes: folders that outlive containers.
//!
//! ```text
//! volumes/<name>/volume.json   its record, in the words of docker's `volume inspect`
//! volumes/<name>/_data         its files
//! volumes/<name>/lock          held while it is created, filled or removed
//! ```
//!
//! Knows nothing about containers: callers tell which ones use a volume. Hop 12.

mod driver;
mod error;
mod mending;
mod record;
mod volumes;

pub use driver::Backing;
pub use error::VolumeError;
pub use record::VolumeRecord;
pub use volumes::{NewVolume, Volumes};
