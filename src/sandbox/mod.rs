//! Runs one program in a container of its own: namespaces, mounts, seccomp, capabilities, cgroups, user namespaces.
//!
//! A [`Container`] is a plain value that says what the program gets; [`spawn`] makes it true and gives a [`Running`].
//! The container's init is this same binary, executed again with the value as its message (see [`init_if_requested`]).
//! All `unsafe` of the program is in this folder. Must not know images, Dockerfiles or the store. Hop 8 of a build.

mod capability;
mod container;
mod error;
mod isolation;
mod os_bytes;
mod seccomp;

pub use capability::{CapabilitySet, UnknownCapability};
pub use container::{
    Container, Mount, MountSource, Process, ResourceLimit, Rootfs, Stack, Stdio, Stream, TmpfsOptions, User,
};
pub use error::{SandboxError, Unsupported};
pub use isolation::{Isolation, Limits, NetworkIsolation};
pub use seccomp::{Profile, ProfileError, Seccomp};
