//! What may be mounted where. This depends on where a mount point *is*, with all links of the image resolved, and on
//! what the source is, never on how either was written.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::devices;
use super::doing::{Doing, Result, message};
use super::kernel_files::{self, FileSystem};
use crate::container::sandbox::container::{Mount, MountSource};
use crate::container::sandbox::error::InitError;

/// Files of `/proc` that may be mounted over: those that runc allows (`checkProcMount`), for lxcfs and CRIU.
const REPLACEABLE: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "loadavg",
    "meminfo",
    "self/net/dev",
    "slabinfo",
    "stat",
    "swaps",
    "sys/crypto/fips_enabled",
    "sys/kernel/ns_last_pid",
    "uptime",
];

/// The role of a mount in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Ordinary,
    /// It replaces the standard `/proc`; the next ones `/sys` and `/dev`.
    Proc,
    Sys,
    /// A new tmpfs, which rbuild fills like its own.
    NewDev,
    HostsDev,
}

/// The role of a mount at `place`, the resolved path of its mount point, or why it is refused. `dev` is the resolved
/// path of the container's `/dev`.
pub(super) fn role(mount: &Mount, tree: &OwnedFd, place: &Path, dev: &Path) -> Result<Role> {
    let refused = |reason: String| Err(refusal(&mount.target, &reason));
    let is_bind = matches!(mount.source, MountSource::Bind { .. });
    let is_root_of = |kind| kernel_files::is_root_of(tree, kind).doing("look at the source of", &mount.target);
    match place.components().next().and_then(|first| first.as_os_str().to_str()) {
        None => refused("it is the root of the container".to_owned()),
        Some("proc") if place == Path::new("proc") => match is_bind && is_root_of(FileSystem::Proc)? {
            true => Ok(Role::Proc),
            false => refused("only the host's `/proc` can take the place of the container's".to_owned()),
        },
        Some("proc") if is_replaceable(place) => Ok(Role::Ordinary),
        Some("proc") => {
            let files = REPLACEABLE.map(|file| file.trim_start_matches("self/")).join(", ");
            refused(format!("it is `/{}`, and of /proc only these can be replaced: {files}", place.display()))
        }
        Some("sys") if place == Path::new("sys") => match is_bind && is_root_of(FileSystem::Sys)? {
            true => Ok(Role::Sys),
            false => refused("only the host's `/sys` can take the place of the container's".to_owned()),
        },
        // Allowed by its own name, as in docker. A link of the image must not lead there.
        Some("sys") if mount.target.strip_prefix("/").unwrap_or(&mount.target) != place => {
            refused(format!("a link in the image leads to `/{}`", place.display()))
        }
        _ if place == dev => match &mount.source {
            MountSource::Tmpfs(_) => Ok(Role::NewDev),
            MountSource::Bind { .. } | MountSource::Own(_) if devices::has_null(tree) => Ok(Role::HostsDev),
            _ => refused(
                "it is the container's `/dev`, and what is mounted there has no null device; mount it at a name below \
                 `/dev`, or build the image without this volume"
                    .to_owned(),
            ),
        },
        Some(_) => Ok(Role::Ordinary),
    }
}

/// Only those files of a process that belong to the first one can be replaced: that is where the resolved path leads.
fn is_replaceable(place: &Path) -> bool {
    let inside = place.strip_prefix("proc").unwrap_or(place);
    let own = inside.strip_prefix(std::process::id().to_string()).map(|file| Path::new("self").join(file));
    let name = own.unwrap_or_else(|_| inside.to_owned());
    REPLACEABLE.iter().any(|file| Path::new(file) == name)
}

/// Returns why a device can't be at that path, if it can't.
pub(super) fn check_device(target: &Path, place: &Path) -> Result<()> {
    let is_kernels = place.starts_with("proc") || place.starts_with("sys");
    match is_kernels || place.as_os_str().is_empty() {
        true => Err(refusal(target, &format!("a device can't be at `/{}`", place.display()))),
        false => Ok(()),
    }
}

fn refusal(target: &Path, reason: &str) -> InitError {
    message(format!("nothing can be mounted on `{}`: {reason}", target.display()))
}
