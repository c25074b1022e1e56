//! Containers that users start: from an image and options to a running program, and their files.
//!
//! ```text
//! containers/<id>/config.json   what it is: its `Record`
//! containers/<id>/state.json    how it runs or ended: its `State`
//! containers/<id>/upper, work   its changes
//! containers/<id>/hosts, ...    files that are mounted in its /etc
//! containers/<id>/lock          locked by its monitor while there is one
//! containers/<id>/monitor.sock  the monitor's socket
//! containers/<id>/<id>-json.log its output
//! containers/<id>/exec/<id>     the programs that `exec` runs in it
//! containers/<id>/programs      records of the API's `exec`
//! containers/<id>/pending       sockets of clients that wait for its start
//! containers/<id>/oci           the bundle and state of another runtime, if it has one
//! containers/<id>/auto-remove   exists if the container is to be removed when it ends
//! containers/by-name/<name>     a link to the ID
//! ```
//!
//! Knows nothing about builds. Hop 12.

mod attachment;
mod bundle;
#[doc(hidden)]
pub mod cdi;
mod changes;
mod chroot;
mod commit;
mod control;
mod copy;
mod create;
mod detach_keys;
mod devices;
mod directory;
mod docker_files;
mod error;
mod events;
mod exec;
mod exec_ids;
mod exec_monitor;
mod exec_record;
mod exec_session;
mod foreign;
mod health;
mod host_config;
mod launch;
mod layer_folder;
mod links;
mod log;
mod mending;
mod monitor;
mod mounts;
mod names;
mod namespaces;
#[doc(hidden)]
pub mod network;
mod options;
mod pausing;
mod pending;
mod protocol;
mod raw_mode;
mod record;
mod relay;
pub(crate) mod runtime;
#[doc(hidden)]
pub mod sandbox;
mod security;
mod session;
mod session_signals;
mod socket;
mod state;
mod stop;
mod trial;
mod users;
pub(crate) mod volume;
mod volumes;
mod wiring;
mod working;

pub(crate) use attachment::{AttachedInput, Attaching, Attachment, Heard, WaitFor};
pub(crate) use bundle::write_bundle;
pub use changes::{Change, changes};
pub(crate) use chroot::{check_ended, lacks_namespaces};
pub(crate) use commit::{Commit, Committed, commit};
pub use copy::{
    Copied, CopyError, Owners, PathStat, Unpacking, copy_from, copy_into, copy_stream_into, look_at, serve_as_copier,
};
pub use create::{Image, create};
pub(crate) use detach_keys::DetachKeys;
pub(crate) use devices::has_devices;
pub use directory::{Containers, Entry, Removal};
pub(crate) use docker_files::upper_of_new;
pub use error::ContainerError;
pub(crate) use events::{tell_of_network, tell_of_prune, tell_of_volume};
pub(crate) use exec::{ExecOptions, exec_in_background};
pub(crate) use exec_ids::{exec_ids, new_exec_id};
pub(crate) use exec_monitor::{resize_exec, run_exec};
pub(crate) use exec_record::ExecRecord;
pub(crate) use exec_session::{exec_in_foreground, run_in_foreground};
pub use host_config::{
    DeviceMapping, DeviceRequest, HostConfig, HostConfigDocument, HostConfigError, IpcMode, LogConfig, LogDriver,
    NamespaceMode, NetworkMode, PortBinding, Resources, RestartPolicy, RestartPolicyDocument, SecurityOption,
    SecurityRequest, ThrottleDevice, Ulimit, WeightDevice,
};
pub(crate) use launch::user_of;
pub(crate) use layer_folder::LayerFolder;
pub use log::{LogLine, LogReader, LogSettings, Selection, Source};
pub(crate) use monitor::{Monitor, serve_as_monitor};
pub use mounts::{ImageUse as MountedImage, MountKind, MountPoint, ReadOnlyDepth, VolumeUse};
pub use options::{Attached, ContainerOptions};
pub(crate) use pausing::Pause;
pub(crate) use pending::Cancel;
#[doc(hidden)]
#[doc(hidden)]
pub use protocol::examine_frames;
pub(crate) use protocol::{Ahead, Attach, Failure};
pub(crate) use raw_mode::RawMode;
pub use record::{ContainerConfig, EndpointConfig, IpamConfig, NetworkSettings, Record};
pub(crate) use session::{Left, Session, Streams, window_size};
pub(crate) use session_signals::{SignalPolicy, SignalsKept};
pub use state::{Health, HealthResult, HealthStatus, State, Status};
pub use stop::Stop;
pub(crate) use trial::{Trial, try_isolation};
pub(crate) use volumes::users_of as users_of_volume;
pub(crate) use wiring::{endpoint_request, networks_of, owner, refresh_files};
