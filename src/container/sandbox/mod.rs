//! Runs a program in its own container: namespaces, mounts, seccomp, capabilities, cgroups, user namespaces.
//!
//! A [`Container`] is a plain value that describes what the program gets; [`spawn`] sets it up and returns a
//! [`Running`]. The container's init is this same binary, executed again with that value as its message (see
//! [`init_if_requested`]). All `unsafe` of the program is in this folder. Knows nothing about images, Dockerfiles or
//! the store. Hop 8 of a build.

mod apparmor;
mod arguments;
mod capability;
mod cgroup;
mod channel;
mod container;
mod detached;
#[cfg(target_arch = "x86_64")]
mod emulation;
mod error;
mod executable;
mod files;
mod helper;
mod hold;
mod ids;
mod inherited;
mod init;
mod isolation;
mod keeper;
mod landlock;
mod level;
mod loopback;
mod lsm;
mod mount_api;
mod mount_points;
mod mounted_root;
mod network_namespace;
mod null_device;
mod oci;
pub mod os_bytes;
mod record_lock;
mod refusal;
mod refused;
mod remapped;
mod resident;
mod resources;
mod running;
mod same_ids;
mod seccomp;
mod shared_namespaces;
mod spawn;
mod spawn_in;
mod spawn_in_chroot;
mod surroundings;
mod sysctl;
mod unread;
pub mod user_namespace;
mod watch;
mod without;

pub use apparmor::{
    DEFAULT_APPARMOR_PROFILE, default_apparmor_profile, has_default_apparmor_profile, is_apparmor_usable,
};
pub use capability::{CapabilitySet, UnknownCapability, capability_names};
pub use cgroup::{
    CgroupVersion, Controllers, USUAL_DEVICE_RULES, Usage, controllers, device_guard, limits_refused, machine_memory,
    processes, usage,
};
pub use channel::{CreatedMountPoint, receive_descriptor};
pub use container::{
    Container, Mount, MountSource, Process, Propagation, ResourceLimit, Rootfs, Stack, Stdio, Stream, TmpfsOptions,
    User,
};
pub use detached::{execute_detached, fork_detached, take_stream, with_usual_umask};
pub use error::{InitError, SandboxError, Unsupported, code_of};
pub use files::enter_files;
pub use helper::{spawn_helper, spawn_lasting_helper};
pub use hold::{Held, hold};
pub use ids::{IdRange, IdRanges, UsersMode};
pub use inherited::take_inherited;
pub use init::{READ_ONLY, init_if_requested, masked_paths};
pub use isolation::{DeviceNode, Isolation, Limits, Namespace, Namespaces, NetworkIsolation, Throttle, ThrottleKind};
pub use keeper::{Keeper, keep};
pub use landlock::{can_scope_sockets, landlock_version};
pub use level::{
    AskedIsolation, CHROOT, IsolationChoice, Level, UnknownIsolation, chroot_refused, full_refused, less_isolated,
    try_out,
};
pub use lsm::has_apparmor;
pub use mount_points::remove_mount_points;
pub use mounted_root::MountedRoot;
pub use network_namespace::{in_network_namespace, move_into_network_namespace, new_network_namespace};
pub use null_device::null_device;
pub use oci::{Places, process as process_specification, resources as resource_specification, specification};
pub use refused::take_refused;
pub use remapped::{RemappedUsers, can_remap};
pub use resident::let_go_of_code;
pub use resources::Resources;
pub use running::{ExitStatus, Handle, Outcome, Running, take_in_orphans};
pub use seccomp::{Profile, ProfileError, Seccomp};
pub use shared_namespaces::{SharedNamespaces, SharedNamespacesLock, belong_as_parent_did};
pub use spawn::{Prepared, prepare, spawn};
pub use spawn_in::{Inside, spawn_in};
pub use spawn_in_chroot::{Host, capabilities_in_chroot, spawn_beside, spawn_in_folder};
pub use surroundings::{has_capability, owns_all_files};
pub use sysctl::is_namespaced_sysctl;
pub use unread::is_unread;
pub use without::Without;
