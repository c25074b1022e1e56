//! `RUN --device`: applies the host's description of a device to the container.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, makedev};

use crate::base::io_error::{AtPath, IoError};
use crate::container::cdi::{self, Device, DeviceNode, Edits};
use crate::container::sandbox::{self, Container};
use crate::language::dockerfile::DeviceRequest;
use crate::language::plan::Part;

use super::error::StepError;
use super::progress::Progress;
use super::settings::DeviceAccess;

/// Mount options that make no difference here: mounts of containers are private, without set-uid or devices.
const USUAL_OPTIONS: [&str; 11] =
    ["ro", "rw", "bind", "rbind", "nosuid", "nodev", "private", "rprivate", "slave", "rslave", "relatime"];

/// The container edits for a step's devices. A missing device is an error only if it is required; an existing one must
/// be allowed.
pub(super) fn edits(
    access: &DeviceAccess,
    requests: &[DeviceRequest],
    progress: &dyn Progress,
) -> Result<Edits, StepError> {
    if requests.is_empty() {
        return Ok(Edits::default());
    }
    let folders: Vec<&Path> = access.folders.iter().map(PathBuf::as_path).collect();
    let registry = cdi::Registry::read_folders(&folders)?;
    let mut devices: Vec<&Device> = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let about = |error: StepError| error.about(Part::Device(number));
        match registry.find(&request.name) {
            Ok(found) => {
                let refused = |device: &&&Device| !device.is_always_allowed() && !is_allowed(access, &registry, device);
                if let Some(device) = found.iter().find(refused) {
                    return Err(about(StepError::DeviceNotAllowed { name: device.name.clone() }));
                }
                devices.extend(found);
            }
            Err(error @ cdi::CdiError::Unknown { .. }) if !request.required => {
                progress.warn(&format!("{error}; the RUN that asks for it goes on without"));
            }
            Err(error) => return Err(about(error.into())),
        }
    }
    devices.sort_by(|one, other| one.name.cmp(&other.name));
    devices.dedup_by(|one, other| one.name == other.name);
    Ok(cdi::Registry::edits(&devices)?)
}

fn is_allowed(access: &DeviceAccess, registry: &cdi::Registry, device: &Device) -> bool {
    let means_it = |name: &String| {
        registry.find(name).is_ok_and(|found| found.iter().any(|found| found.name == device.name))
            || name == device.kind()
    };
    access.allow_all || access.allowed.iter().any(means_it)
}

/// Applies the edits to the container. Nodes that the host lacks, or has with other attributes, are made in `folder`.
pub(super) fn apply(edits: &Edits, container: &mut Container, folder: &Path) -> Result<(), StepError> {
    for entry in &edits.env {
        let name = entry.split('=').next().unwrap_or_default();
        let prefix = format!("{name}=");
        container.process.environment.retain(|other| !other.as_encoded_bytes().starts_with(prefix.as_bytes()));
        container.process.environment.push(OsString::from(entry));
    }
    container.process.user.groups.extend(&edits.additional_gids);
    for (number, node) in edits.device_nodes.iter().enumerate() {
        let path = node_on_host(node, &folder.join(format!("device-{number}")))?;
        container.isolation.devices.push(sandbox::DeviceNode { host: path, path: node.path.clone() });
    }
    for mount in &edits.mounts {
        if let Some(option) = mount.options.iter().find(|option| !USUAL_OPTIONS.contains(&option.as_str())) {
            let path = mount.host_path.clone();
            return Err(StepError::DeviceMount { path, option: option.clone() });
        }
        container.mounts.push(sandbox::Mount {
            target: mount.container_path.clone(),
            source: sandbox::MountSource::Bind {
                path: mount.host_path.clone(),
                recursive: mount.is_recursive(),
                propagation: sandbox::Propagation::Private,
            },
            read_only: mount.is_read_only(),
            shallow: false,
            lasting: false,
        });
    }
    Ok(())
}

/// The host's node, or a new one if it needs other numbers, another owner or another mode.
fn node_on_host(node: &DeviceNode, made: &Path) -> Result<PathBuf, IoError> {
    let host = node.host();
    let is_own = node.major.is_some() || node.file_mode.is_some() || node.uid.is_some() || node.gid.is_some();
    if !is_own || node.kind.as_deref() == Some("p") {
        return Ok(host.clone());
    }
    let stat = rustix::fs::stat(host);
    let (kind, number) = match (node.major, node.minor) {
        (Some(major), Some(minor)) => {
            let kind =
                if node.kind.as_deref() == Some("b") { FileType::BlockDevice } else { FileType::CharacterDevice };
            (kind, makedev(major, minor))
        }
        _ => {
            let stat = stat.at("read", host)?;
            (FileType::from_raw_mode(stat.st_mode), stat.st_rdev)
        }
    };
    let usual = stat.map_or(0o666, |stat| stat.st_mode & 0o7777);
    let mode = Mode::from_raw_mode(node.file_mode.unwrap_or(usual) & 0o7777);
    match rustix::fs::mknodat(CWD, made, kind, mode, number) {
        // A user namespace cannot make nodes: use the host's.
        Err(rustix::io::Errno::PERM) => return Ok(host.clone()),
        result => result.at("make the device", made)?,
    }
    rustix::fs::chmod(made, mode).at("change the mode of", made)?;
    std::os::unix::fs::chown(made, Some(node.uid.unwrap_or(0)), Some(node.gid.unwrap_or(0)))
        .at("change the owner of", made)?;
    Ok(made.to_owned())
}
