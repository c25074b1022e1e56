//! Containers that people start: from an image and options to a running program, and what is kept of it.
//!
//! ```text
//! containers/<id>/config.json   what it is: its `Record`
//! containers/<id>/state.json    how it runs or ended: its `State`
//! containers/<id>/upper, work   what it changed
//! containers/<id>/hosts, ...   what is mounted in its /etc
//! containers/<id>/lock          locked while it runs
//! containers/<id>/auto-remove   there when it is to go when it has ended
//! containers/by-name/<name>     leads to the ID
//! ```
//!
//! Must not know builds. Hop 12.

mod attach;
mod create;
mod devices;
mod directory;
mod error;
mod host_config;
mod launch;
mod links;
mod mounts;
mod names;
mod namespaces;
mod options;
mod raw_mode;
mod record;
mod start;
mod state;
mod volumes;
mod wiring;

pub use attach::Streams;
pub use create::{Image, create};
pub use directory::{Containers, Entry};
pub use error::ContainerError;
pub use host_config::{
    DeviceMapping, DeviceRequest, HostConfig, LogConfig, PortBinding, Resources, RestartPolicy, ThrottleDevice, Ulimit,
    WeightDevice,
};
pub use mounts::{MountKind, MountPoint, ReadOnlyDepth, VolumeUse};
pub use options::{Attached, ContainerOptions};
pub use record::{ContainerConfig, EndpointConfig, IpamConfig, NetworkSettings, Record};
pub use start::{Ended, run};
pub use state::{Health, HealthResult, HealthStatus, State, Status};
pub use volumes::users_of as users_of_volume;
pub use wiring::{endpoint_request, networks_of, owner, refresh_files};
