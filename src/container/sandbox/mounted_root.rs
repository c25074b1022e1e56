//! A container's root filesystem, mounted where another program finds it: another runtime, which makes all the rest.
//!
//! The mount is in a mount namespace of the calling thread alone, and of the processes that it starts: it is seen by
//! nobody else, and goes with them however they end.

use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

use super::channel::CreatedMountPoint;
use super::container::{Container, MountSource, Propagation, Rootfs};
use super::error::{InitError, SandboxError, start_error};
use super::init::{MountPoints, PointKind, clone_within, mount_stack, open_stack};
use super::mount_api;

/// The standard places, which a runtime mounts something at.
const STANDARD: [&str; 3] = ["/proc", "/dev", "/sys"];

/// Unmounted when dropped.
#[derive(Debug)]
pub struct MountedRoot {
    place: PathBuf,
    created: Vec<CreatedMountPoint>,
    /// Where parts of folders are that containers write to.
    parts: Vec<PathBuf>,
}

impl MountedRoot {
    /// Mounts the root filesystem at `place`, an empty folder, with all the places in it that the container's mounts and
    /// its working directory need. `place` has a folder around it that nothing else is made in meanwhile.
    ///
    /// Where a mount shows a part of a folder that containers write to, the part is mounted beside `place`, and the
    /// container's mount is of that from now on: the other runtime would look the path up again.
    pub fn mount(container: &mut Container, place: &Path) -> Result<Self, SandboxError> {
        let Rootfs::Overlay(stack) = &container.rootfs else {
            return Err(
                InitError::Message("only a stack of layers can be mounted for another runtime".to_owned()).into()
            );
        };
        // SAFETY: the flag changes this thread's mounts alone, and no descriptor.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
            .map_err(|errno| start_error("make a mount namespace")(errno.into()))?;
        rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
            .map_err(|errno| start_error("keep mounts to this process")(errno.into()))?;
        let handle = |path: &Path| {
            rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| start_error("open the folder of the root filesystem")(errno.into()))
        };
        let staging = handle(place.parent().unwrap_or(place))?;
        let stack = open_stack(stack)?;
        let tree = mount_stack(&stack, &staging, None);
        // Mounting leads this process to where the layers' names are short.
        rustix::process::chdir("/").map_err(|errno| start_error("enter /")(errno.into()))?;
        let tree = tree?;
        let mut mounted = Self { place: place.to_owned(), created: Vec::new(), parts: Vec::new() };
        mount_api::attach(&tree, handle(place)?)
            .map_err(|errno| start_error("mount the root filesystem")(errno.into()))?;
        mounted.mount_parts(container)?;
        let mut points = MountPoints::new(&tree)?.kept_in(stack.upper());
        for folder in STANDARD {
            points.open(Path::new(folder), PointKind::Directory)?;
        }
        for mount in &container.mounts {
            let is_file = match &mount.source {
                MountSource::Bind { path, .. } | MountSource::Own(path) => !path.is_dir(),
                MountSource::File { .. } => true,
                MountSource::Tmpfs(_) | MountSource::TmpfsOfProcess { .. } => false,
                MountSource::Stack { .. } | MountSource::Within { .. } => false,
            };
            let before = points.created.len();
            points.open(&mount.target, if is_file { PointKind::File } else { PointKind::Directory })?;
            if mount.lasting {
                points.created.truncate(before);
            }
        }
        // What is made for these is no change of the container's; its working directory is one.
        mounted.created = points.created;
        if container.process.create_directory {
            MountPoints::make_directory(&tree, &container.process.directory)?;
        }
        Ok(mounted)
    }

    fn mount_parts(&mut self, container: &mut Container) -> Result<(), SandboxError> {
        let failed = |action| move |errno: rustix::io::Errno| start_error(action)(errno.into());
        for (number, mount) in container.mounts.iter_mut().enumerate() {
            let MountSource::Within { folder, path, .. } = &mount.source else { continue };
            let part = clone_within(folder, path)?;
            let kind = rustix::fs::fstat(&part).map_err(failed("look at a part of a volume"))?.st_mode;
            let point = self.place.with_file_name(format!("part-{number}"));
            let made = match FileType::from_raw_mode(kind) {
                FileType::Directory => std::fs::create_dir_all(&point),
                _ => std::fs::write(&point, ""),
            };
            made.map_err(start_error("make a place for a part of a volume"))?;
            let place = rustix::fs::open(&point, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
            let place = place.map_err(failed("open the place of a part of a volume"))?;
            mount_api::make_private(&part).map_err(failed("mount a part of a volume"))?;
            mount_api::attach(&part, place).map_err(failed("mount a part of a volume"))?;
            self.parts.push(point.clone());
            mount.source = MountSource::Bind { path: point, recursive: true, propagation: Propagation::Private };
        }
        Ok(())
    }

    pub fn created_mount_points(&self) -> &[CreatedMountPoint] {
        &self.created
    }
}

impl Drop for MountedRoot {
    fn drop(&mut self) {
        // They fail only when they are gone already.
        let _ = rustix::mount::unmount(&self.place, UnmountFlags::DETACH);
        for part in &self.parts {
            let _ = rustix::mount::unmount(part, UnmountFlags::DETACH);
            let _ = std::fs::remove_dir(part).or_else(|_| std::fs::remove_file(part));
        }
    }
}
