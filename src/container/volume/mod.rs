//! Volumes: folders that outlive containers.
//!
//! ```text
//! volumes/<name>/volume.json   what it is, in the words of docker's `volume inspect`
//! volumes/<name>/_data         what is in it
//! volumes/<name>/lock          held while it is made, filled or removed
//! ```
//!
//! Must not know containers: whether a volume is in use is asked of whoever knows. Hop 12.

mod driver;
mod error;
mod mending;
mod record;
mod volumes;

pub use driver::Backing;
pub use error::VolumeError;
pub use record::{ANONYMOUS, VolumeRecord};
pub use volumes::{NewVolume, Volumes};
