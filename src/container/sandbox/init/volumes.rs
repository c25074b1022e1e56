//! The container's requested mounts: folders of the host, other stacks of layers, tmpfs, files.

use std::os::fd::OwnedFd;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::doing::{Doing, Result};
use super::ground::{self, Role};
use super::root::{OpenStack, Root};
use super::standard::Standard;
use super::target::{MountPoints, PointKind};
use super::users::{self, Users};
use super::{dev_folder, devices, root, target};
use crate::container::sandbox::container::{Mount, MountSource, Propagation, TmpfsOptions, User};
use crate::container::sandbox::isolation::Isolation;
use crate::container::sandbox::mount_api;

/// What has to be opened while the host's filesystem is still visible.
pub(super) enum OpenSource {
    Tree(OwnedFd),
    Stack(OpenStack),
    /// Created when it is attached.
    New,
}

/// Opens the mounts' sources on the host, in order.
pub(super) fn open(mounts: &[Mount], users: Option<&Users>) -> Result<Vec<OpenSource>> {
    let open = |mount: &Mount| match &mount.source {
        MountSource::Bind { path, recursive, .. } => root::clone_host_path(path, *recursive).map(OpenSource::Tree),
        MountSource::Own(path) => {
            let tree = root::clone_host_path(path, true)?;
            users.map_or(Ok(()), |users| users.translate(&tree, true, &format!("`{}`", path.display())))?;
            Ok(OpenSource::Tree(tree))
        }
        MountSource::Within { folder, path, is_own } => {
            let tree = root::clone_within(folder, path)?;
            if let Some(users) = users.filter(|_| *is_own) {
                users.translate(&tree, true, &format!("`{}`", folder.display()))?;
            }
            Ok(OpenSource::Tree(tree))
        }
        MountSource::Stack { stack, .. } => root::open_stack(stack).map(OpenSource::Stack),
        MountSource::TmpfsOfProcess { pid, path } => dev_folder::tmpfs_of(*pid, path).map(OpenSource::Tree),
        MountSource::Tmpfs(_) | MountSource::File { .. } => Ok(OpenSource::New),
    };
    mounts.iter().map(open).collect()
}

pub(super) fn attach(
    sources: Vec<OpenSource>,
    mounts: &[Mount],
    (root, standard): (&Root, &mut Standard),
    points: &mut MountPoints<'_>,
    isolation: &Isolation,
) -> Result<()> {
    for (index, (source, mount)) in sources.into_iter().zip(mounts).enumerate() {
        let tree = match (source, &mount.source) {
            (OpenSource::Tree(tree), _) => tree,
            (OpenSource::Stack(stack), MountSource::Stack { path, .. }) => {
                let merged = root::mount_stack(&stack, &root.staging, root.users.as_deref())?;
                part_of(&merged, path, root, index)?
            }
            (_, MountSource::Tmpfs(options)) => tmpfs(options, root)?,
            (_, MountSource::File { content, mode, uid, gid, .. }) => {
                let attributes = FileAttributes { mode: *mode, uid: *uid, gid: *gid };
                memory_file(root, &format!("file-{index}"), content, attributes)?
            }
            // `open` returns a stack for a stack, and a tree for all others.
            (_, MountSource::Stack { .. } | MountSource::Bind { .. } | MountSource::Own(_)) => continue,
            (_, MountSource::Within { .. }) => continue,
            (_, MountSource::TmpfsOfProcess { .. }) => continue,
        };
        propagate(&tree, mount).doing("set the propagation of", &mount.target)?;
        let kind = match target::is_directory(&tree).doing("look at the source of", &mount.target)? {
            true => PointKind::Directory,
            false => PointKind::File,
        };
        let before = points.created.len();
        let point = points.open(&mount.target, kind)?;
        matching(&point, kind, mount)?;
        if mount.lasting {
            points.created.truncate(before);
        }
        let role = ground::role(mount, &tree, &points.place_of(&point)?, &standard.dev.place)?;
        if role == Role::NewDev {
            standard.dev.make_names(&tree, root, isolation)?;
        }
        let (everywhere, here) = attributes(mount, &tree, isolation);
        mount_api::set_attributes(&tree, everywhere, true)
            .and_then(|()| if here.is_empty() { Ok(()) } else { mount_api::set_attributes(&tree, here, false) })
            .doing("set the options of", &mount.target)?;
        mount_api::attach(&tree, &point).doing("mount", &mount.target)?;
        standard.give_way_to(tree, role, isolation)?;
    }
    Ok(())
}

/// Checks that a folder is mounted on a folder, and a file on a file.
fn matching(point: &OwnedFd, kind: PointKind, mount: &Mount) -> Result<()> {
    let is_directory = target::is_directory(point).doing("look at", &mount.target)?;
    let action = match (kind, is_directory) {
        (PointKind::File, true) => "mount a file onto the folder",
        (PointKind::Directory, false) => "mount a folder onto the file",
        _ => return Ok(()),
    };
    Err(Errno::NOTDIR).doing(action, &mount.target)
}

/// The attributes of a mount and all mounts below it, and those of the mount alone. Device nodes can only be opened
/// where rbuild has put them: the program may create any (it has CAP_MKNOD), but can't use them. A node that is mounted
/// itself can be opened if docker lets every container open it.
fn attributes(mount: &Mount, tree: &OwnedFd, isolation: &Isolation) -> (MountAttrFlags, MountAttrFlags) {
    let mut attributes = MountAttrFlags::empty();
    let mut here = MountAttrFlags::empty();
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, mount.read_only && !mount.shallow);
    here.set(MountAttrFlags::MOUNT_ATTR_RDONLY, mount.read_only && mount.shallow);
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, !isolation.opens_devices() && !devices::is_usual(tree));
    if matches!(mount.source, MountSource::TmpfsOfProcess { .. }) {
        attributes |= MountAttrFlags::MOUNT_ATTR_NOSUID;
    }
    if let MountSource::File { is_program, .. } = &mount.source {
        attributes |= MountAttrFlags::MOUNT_ATTR_NOSUID;
        attributes.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, !is_program);
    }
    if let MountSource::Tmpfs(options) = &mount.source {
        attributes |= MountAttrFlags::MOUNT_ATTR_NOSUID;
        attributes.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, options.no_exec);
    }
    (attributes, here)
}

/// The tree was cloned while the host's mounts still had their peers.
fn propagate(tree: &OwnedFd, mount: &Mount) -> rustix::io::Result<()> {
    match &mount.source {
        MountSource::Bind { propagation: Propagation::Shared, .. } => Ok(()),
        MountSource::Bind { propagation: Propagation::Slave, .. } => mount_api::make_slave(tree),
        _ => mount_api::make_private(tree),
    }
}

/// A folder or file of a merged stack, as a mount of its own. The stack is attached to the staging area for that,
/// because older kernels can only clone attached mounts.
fn part_of(merged: &OwnedFd, path: &std::path::Path, root: &Root, index: usize) -> Result<OwnedFd> {
    let name = format!("stack-{index}");
    rustix::fs::mkdirat(&root.staging, name.as_str(), Mode::RWXU).doing("create", &name)?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let point = rustix::fs::openat(&root.staging, name.as_str(), flags, Mode::empty()).doing("open", &name)?;
    mount_api::attach(merged, point).doing("mount", "the stack of layers")?;
    let part = target::open(merged, path).doing("find in the mounted layers", path)?;
    mount_api::clone_tree(&part, c"", false).doing("bind", path)
}

fn tmpfs(options: &TmpfsOptions, root: &Root) -> Result<OwnedFd> {
    let owner = User { uid: options.uid, gid: options.gid, groups: Vec::new() };
    let owner = users::on_host(root.users.as_deref(), &owner)?;
    let size = options.size.map(|size| size.to_string());
    let (mode, uid, gid) = (format!("{:o}", options.mode), owner.uid.to_string(), owner.gid.to_string());
    let mut settings = vec![("mode", Some(mode.as_str())), ("uid", Some(uid.as_str())), ("gid", Some(gid.as_str()))];
    settings.extend(size.as_deref().map(|size| ("size", Some(size))));
    let mut attributes = MountAttrFlags::empty();
    for (key, value) in &options.more {
        match attribute(key) {
            Some(attribute) => attributes |= attribute,
            None => settings.push((key, value.as_deref())),
        }
    }
    mount_api::create("tmpfs", &settings, attributes).doing("mount", "tmpfs")
}

/// An option of the mount rather than of the filesystem.
fn attribute(option: &str) -> Option<MountAttrFlags> {
    Some(match option {
        "noatime" => MountAttrFlags::MOUNT_ATTR_NOATIME,
        "nodiratime" => MountAttrFlags::MOUNT_ATTR_NODIRATIME,
        "strictatime" => MountAttrFlags::MOUNT_ATTR_STRICTATIME,
        _ => return None,
    })
}

struct FileAttributes {
    mode: u32,
    uid: u32,
    gid: u32,
}

/// A file in the staging area, which is in memory, as a mount.
fn memory_file(root: &Root, name: &str, content: &[u8], attributes: FileAttributes) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(attributes.mode);
    let file = rustix::fs::openat(&root.staging, name, flags, mode).doing("create", name)?;
    std::io::Write::write_all(&mut std::fs::File::from(file.try_clone().doing("open", name)?), content)
        .doing("write", name)?;
    let owner = User { uid: attributes.uid, gid: attributes.gid, groups: Vec::new() };
    let owner = users::on_host(root.users.as_deref(), &owner)?;
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    rustix::fs::fchown(&file, Some(uid), Some(gid)).doing("give away", name)?;
    let handle = rustix::fs::openat(&root.staging, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    mount_api::clone_tree(handle.doing("open", name)?, c"", false).doing("bind", name)
}
