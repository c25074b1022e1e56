//! A container's volumes: named and created with it, filled when it starts, and removed with it if they are anonymous.

use std::path::{Path, PathBuf};

use super::directory::{Containers, Entry};
use super::error::ContainerError;
use super::events;
use super::mounts::{MountKind, MountPoint};
use crate::base::foreign::{Folder, Tree};
use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::container::sandbox::{MountSource, Propagation, TmpfsOptions};
use crate::container::volume::{Backing, NewVolume, VolumeError, Volumes};
use crate::store::snapshot::{View, populate};

/// Creates missing volumes, and records name, driver and path of each in its mount.
pub(super) fn resolve(containers: &Containers, mounts: &mut [MountPoint]) -> Result<(), ContainerError> {
    let volumes = Volumes::of(containers.store_root());
    for mount in mounts.iter_mut().filter(|mount| mount.kind == MountKind::Volume) {
        let known = if mount.name.is_empty() { None } else { volumes.find(&mount.name).ok() };
        let record = match known {
            Some(record) => record,
            None => {
                let made = volumes.create(NewVolume {
                    name: mount.name.clone(),
                    driver: mount.driver.clone(),
                    labels: mount.volume.labels.clone(),
                    options: mount.volume.options.clone(),
                })?;
                events::tell_of_volume(containers.store_root(), &made, "create");
                made
            }
        };
        mount.name = record.name;
        mount.driver = record.driver;
        mount.source = record.mountpoint;
    }
    Ok(())
}

/// The mounts of other containers (`--volumes-from NAME[:ro]`), where nothing else is mounted.
pub(super) fn from_others(
    containers: &Containers,
    names: &[String],
    given: &[MountPoint],
) -> Result<Vec<MountPoint>, ContainerError> {
    let mut taken: Vec<MountPoint> = Vec::new();
    for text in names {
        let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
        let other = containers.find(name)?;
        for mount in other.record.mounts.iter().filter(|mount| mount.kind != MountKind::Tmpfs) {
            // A later one replaces an earlier one, as in docker.
            taken.retain(|earlier| earlier.destination != mount.destination);
            let writable = mount.writable && !mode.split(',').any(|word| word == "ro");
            taken.push(MountPoint { writable, ..mount.clone() });
        }
    }
    taken.retain(|mount| given.iter().all(|own| own.destination != mount.destination));
    Ok(taken)
}

/// What the sandbox mounts for a volume, which is filled from the image if empty; and whether it is read-only itself.
pub(super) fn source(
    containers: &Containers,
    mount: &MountPoint,
    view: &View,
) -> Result<(MountSource, bool), ContainerError> {
    let volumes = Volumes::of(containers.store_root());
    let record = volumes.find(&mount.name)?;
    let folder = match Backing::of(record.options.as_ref().unwrap_or(&Default::default()))? {
        Backing::Memory { size, mode, uid, gid, read_only } => {
            let options = TmpfsOptions { size, mode, uid, gid, ..TmpfsOptions::default() };
            let shared = shared_memory(containers, mount)?;
            return Ok((shared.unwrap_or(MountSource::Tmpfs(options)), read_only));
        }
        Backing::Bind { path, read_only } => {
            if !path.exists() {
                return Err(ContainerError::NoBindSource { path });
            }
            return Ok((bind(&path, &mount.volume.subpath)?, read_only));
        }
        Backing::Folder => record.mountpoint.clone(),
    };
    if !mount.volume.no_copy {
        let place = mount.destination.strip_prefix("/").unwrap_or(&mount.destination);
        let resolved = view.resolve(Path::new(""), place)?;
        if view.lstat(&resolved)?.is_some_and(|entry| entry.is_dir()) {
            volumes.fill(&record, |folder| populate(view, &resolved, folder).map_err(ContainerError::from))?;
        }
    }
    let source = match bind(&folder, &mount.volume.subpath)? {
        MountSource::Bind { path, .. } => MountSource::Own(path),
        MountSource::Within { folder, path, .. } => MountSource::Within { folder, path, is_own: true },
        other => other,
    };
    Ok((source, false))
}

/// The tmpfs of this volume in a running container.
fn shared_memory(containers: &Containers, mount: &MountPoint) -> Result<Option<MountSource>, ContainerError> {
    let users = users_of(containers, &mount.name)?;
    Ok(users.iter().filter(|entry| entry.state.pid != 0).find_map(|entry| {
        let place = entry.record.mounts.iter().find(|other| is_of(other, &mount.name))?;
        Some(MountSource::TmpfsOfProcess { pid: entry.state.pid, path: place.destination.clone() })
    }))
}

/// A folder, or a path inside it: it is resolved within the folder when it is mounted, so that no link leads out.
fn bind(folder: &Path, subpath: &str) -> Result<MountSource, ContainerError> {
    if subpath.is_empty() {
        return Ok(MountSource::Bind { path: folder.to_owned(), recursive: true, propagation: Propagation::Private });
    }
    // Only to report early what is missing; docker's exit code for it is that of a missing file.
    Tree::in_root(Folder::open(folder)?).followed(Path::new(subpath))?;
    Ok(MountSource::Within { folder: folder.to_owned(), path: subpath.into(), is_own: false })
}

/// The containers that have the volume mounted, running or not.
pub fn users_of(containers: &Containers, volume: &str) -> Result<Vec<Entry>, ContainerError> {
    let has_it = |entry: &Entry| entry.record.mounts.iter().any(|mount| is_of(mount, volume));
    Ok(containers.list()?.into_iter().filter(has_it).collect())
}

fn is_of(mount: &MountPoint, volume: &str) -> bool {
    mount.kind == MountKind::Volume && mount.name == volume
}

/// Removes the anonymous volumes of a removed container that no other container uses.
pub(super) fn remove_anonymous(containers: &Containers, mounts: &[MountPoint]) -> Result<(), ContainerError> {
    let volumes = Volumes::of(containers.store_root());
    for mount in mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
        let Ok(record) = volumes.find(&mount.name) else { continue };
        if record.is_anonymous() && users_of(containers, &mount.name)?.is_empty() {
            match volumes.remove(&mount.name, Vec::new()) {
                Ok(()) => events::tell_of_volume(containers.store_root(), &record, "destroy"),
                Err(VolumeError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Creates the source of a bind mount if that is allowed (`-v` does that), and fails otherwise if it is missing.
pub(super) fn bind_source(mount: &MountPoint) -> Result<PathBuf, ContainerError> {
    let path = mount.source.clone();
    if !path.exists() {
        if !mount.create_source {
            return Err(ContainerError::NoBindSource { path });
        }
        privacy::make_folders_with(&path, 0o755)?;
    }
    Ok(path)
}

/// The propagation between a bind mount and its source; fails if the source's own mount does not allow it.
pub(super) fn propagation(mount: &MountPoint) -> Result<Propagation, ContainerError> {
    let (wanted, needs) = match mount.propagation.as_str() {
        "shared" | "rshared" => (Propagation::Shared, &["shared:"][..]),
        "slave" | "rslave" => (Propagation::Slave, &["shared:", "master:"][..]),
        _ => return Ok(Propagation::Private),
    };
    let table = Path::new("/proc/self/mountinfo");
    let table = std::fs::read_to_string(table).at("read", table)?;
    let source = std::fs::canonicalize(&mount.source).at("find", &mount.source)?;
    let around = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let place = PathBuf::from(words.get(4)?.replace("\\040", " "));
        source.starts_with(&place).then_some((place, words))
    });
    // Of two mounts at one place, the later one is visible.
    let (place, words) = around.max_by_key(|(place, _)| place.as_os_str().len()).unwrap_or_default();
    let optional = words.iter().skip(6).take_while(|word| **word != "-");
    if optional.into_iter().any(|word| needs.iter().any(|start| word.starts_with(start))) {
        return Ok(wanted);
    }
    let kind = if needs.len() == 1 { "a shared" } else { "a shared or slave" };
    Err(ContainerError::Propagation { source_path: source, place, kind })
}
