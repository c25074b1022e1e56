//! A container's root filesystem, mounted where another runtime finds it, which does all the rest.
//!
//! The mount is in a mount namespace of the calling thread and the processes that it starts: nobody else sees it, and
//! it ends with them for any reason.

use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

use super::channel::CreatedMountPoint;
use super::container::{Container, MountSource, Propagation, Rootfs};
use super::error::{InitError, SandboxError, start_error};
use super::init::{MountPoints, PointKind, clone_within, mount_stack, open_stack};
use super::mount_api;

/// The standard folders, which runtimes use as mount points.
const STANDARD: [&str; 3] = ["/proc", "/dev", "/sys"];

/// Unmounted on drop.
#[derive(Debug)]
pub struct MountedRoot {
    place: PathBuf,
    created: Vec<CreatedMountPoint>,
    /// The mounted parts of folders that containers write to.
    parts: Vec<PathBuf>,
}

impl MountedRoot {
    /// Mounts the root filesystem at `place`, an empty folder, and creates all mount points and the working directory
    /// of the container in it. Nothing else may create anything in the parent folder of `place` meanwhile.
    ///
    /// If a mount shows part of a folder that containers write to, that part is mounted beside `place`, and becomes the
    /// source of the container's mount: the other runtime would resolve the path again.
    pub fn mount(container: &mut Container, place: &Path) -> Result<Self, SandboxError> {
        let Rootfs::Overlay(stack) = &container.rootfs else {
            return Err(
                InitError::Message("only a stack of layers can be mounted for another runtime".to_owned()).into()
            );
        };
        // SAFETY: the flag only changes this thread's mounts, and no descriptor.
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
        // Mounting has changed the working directory, to shorten the layers' paths.
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
        // Mount points are no changes of the container's; its working directory is one.
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
        // Fails only if they are gone already.
        let _ = rustix::mount::unmount(&self.place, UnmountFlags::DETACH);
        for part in &self.parts {
            let _ = rustix::mount::unmount(part, UnmountFlags::DETACH);
            let _ = std::fs::remove_dir(part).or_else(|_| std::fs::remove_file(part));
        }
    }
}
