//! The devices of a container: named by path, by CDI, or by the number of GPUs.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::error::ContainerError;
use super::host_config::{DeviceRequest, HostConfig, Resources, ThrottleDevice};
use crate::base::io_error::AtPath;
use crate::container::cdi::{self, Edits};
use crate::container::sandbox::{
    DeviceNode, Limits, Mount, MountSource, Propagation, Throttle, ThrottleKind, USUAL_DEVICE_RULES,
};

#[derive(Debug, Default)]
pub(super) struct Devices {
    pub(super) nodes: Vec<DeviceNode>,
    pub(super) environment: Vec<String>,
    pub(super) mounts: Vec<Mount>,
    pub(super) groups: Vec<u32>,
}

pub(super) fn of(host: &HostConfig) -> Result<Devices, ContainerError> {
    let mut devices = Devices::default();
    for device in &host.resources.devices {
        let node =
            DeviceNode { host: PathBuf::from(&device.path_on_host), path: PathBuf::from(&device.path_in_container) };
        // It is looked up again when it is mounted.
        rustix::fs::stat(&node.host).at("find the device", &node.host)?;
        if node.host.is_dir() && !has_devices(&node.host) {
            return Err(ContainerError::NoDevice { path: node.host });
        }
        devices.nodes.push(node);
    }
    for request in &host.resources.device_requests {
        devices.add(edits(request)?);
    }
    Ok(devices)
}

/// Whether the folder has any devices; such a folder stands for all devices in it.
pub fn has_devices(folder: &Path) -> bool {
    let is_device =
        |entry: &walkdir::DirEntry| entry.file_type().is_char_device() || entry.file_type().is_block_device();
    walkdir::WalkDir::new(folder).into_iter().flatten().any(|entry| is_device(&entry))
}

impl Devices {
    fn add(&mut self, edits: Edits) {
        let nodes =
            edits.device_nodes.iter().map(|node| DeviceNode { host: node.host().clone(), path: node.path.clone() });
        self.nodes.extend(nodes);
        self.mounts.extend(edits.mounts.iter().map(|mount| Mount {
            target: mount.container_path.clone(),
            source: MountSource::Bind {
                path: mount.host_path.clone(),
                recursive: mount.is_recursive(),
                propagation: Propagation::Private,
            },
            read_only: mount.is_read_only(),
            shallow: false,
            lasting: true,
        }));
        self.environment.extend(edits.env);
        self.groups.extend(edits.additional_gids);
    }
}

fn edits(request: &DeviceRequest) -> Result<Edits, ContainerError> {
    let registry = cdi::Registry::read()?;
    let no_driver = || ContainerError::NoDeviceDriver {
        driver: request.driver.clone(),
        capabilities: format!("{:?}", request.capabilities).replace(['"', ','], ""),
    };
    let names: Vec<String> = match request.driver.as_str() {
        "cdi" => request.device_ids.clone(),
        "" | "nvidia" => {
            let kind = "nvidia.com/gpu";
            if registry.find(kind).is_err() {
                return Err(no_driver());
            }
            match (request.count, request.device_ids.as_slice()) {
                (-1, []) if registry.find(&format!("{kind}=all")).is_ok() => vec![format!("{kind}=all")],
                (-1, []) => vec![format!("{kind}=*")],
                (count, []) => (0..count).map(|number| format!("{kind}={number}")).collect(),
                (_, ids) => ids.iter().map(|id| format!("{kind}={id}")).collect(),
            }
        }
        _ => return Err(no_driver()),
    };
    let mut found = Vec::new();
    for name in &names {
        found.extend(registry.find(name)?);
    }
    Ok(cdi::Registry::edits(&found)?)
}

/// Sets the limits of block devices, by their numbers, and the device rules if there are any.
pub(super) fn limit(host: &HostConfig, limits: &mut Limits) -> Result<(), ContainerError> {
    let resources = &host.resources;
    for device in &resources.blkio_weight_device {
        limits.blkio_weight_devices.push((number(Path::new(&device.path))?.1, device.weight));
    }
    for (list, kind) in throttled(resources) {
        for one in list {
            let device = number(Path::new(&one.path))?.1;
            limits.throttles.push(Throttle { device, kind, rate: one.rate });
        }
    }
    let is_limited = resources.devices.iter().any(|device| device.cgroup_permissions.len() < 3);
    if !host.privileged && (is_limited || !resources.device_cgroup_rules.is_empty()) {
        limits.device_rules = USUAL_DEVICE_RULES.map(str::to_owned).to_vec();
        for device in &resources.devices {
            // A folder stands for the devices in it.
            let below = walkdir::WalkDir::new(&device.path_on_host).follow_root_links(true);
            for entry in below.into_iter().flatten() {
                if let Ok((kind, numbers)) = number(entry.path()) {
                    limits.device_rules.push(format!("{kind} {numbers} {}", device.cgroup_permissions));
                }
            }
        }
        limits.device_rules.extend(resources.device_cgroup_rules.iter().cloned());
    }
    Ok(())
}

fn throttled(resources: &Resources) -> [(&Vec<ThrottleDevice>, ThrottleKind); 4] {
    [
        (&resources.blkio_device_read_bps, ThrottleKind::ReadBytes),
        (&resources.blkio_device_write_bps, ThrottleKind::WriteBytes),
        (&resources.blkio_device_read_iops, ThrottleKind::ReadOperations),
        (&resources.blkio_device_write_iops, ThrottleKind::WriteOperations),
    ]
}

/// `b` or `c`, and `MAJOR:MINOR`.
fn number(path: &Path) -> Result<(char, String), ContainerError> {
    let stat = rustix::fs::stat(path).at("find the device", path)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice => 'b',
        FileType::CharacterDevice => 'c',
        _ => return Err(ContainerError::NoDevice { path: path.to_owned() }),
    };
    Ok((kind, format!("{}:{}", rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::DeviceMapping;

    #[test]
    fn rules_only_where_they_are_needed() {
        let mut host = HostConfig::default();
        let mapping = |mode: &str| DeviceMapping {
            path_on_host: "/dev/null".to_owned(),
            path_in_container: "/dev/none".to_owned(),
            cgroup_permissions: mode.to_owned(),
        };
        host.resources.devices = vec![mapping("rwm")];
        let mut limits = Limits::default();
        limit(&host, &mut limits).unwrap();
        assert!(limits.is_empty());
        assert_eq!(of(&host).unwrap().nodes[0].path, Path::new("/dev/none"));
        host.resources.devices = vec![mapping("r")];
        limit(&host, &mut limits).unwrap();
        assert_eq!(limits.device_rules.last().unwrap(), "c 1:3 r");
        host.resources.blkio_device_read_bps = vec![ThrottleDevice { path: "/dev/null".to_owned(), rate: 7 }];
        limit(&host, &mut limits).unwrap();
        assert_eq!(limits.throttles[0].device, "1:3");
    }
}
