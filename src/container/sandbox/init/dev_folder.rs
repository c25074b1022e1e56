//! `/dev`: a small tmpfs with the few devices that every program may use, or what the user mounts in its place.
//!
//! It is mounted `nodev`; the allowed devices are mounted individually. So a program that creates a node of the host's
//! disk (CAP_MKNOD is among docker's defaults) can't open it, without a cgroup.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::thread::LinkNameSpaceType;

use super::devices::{self, USUAL};
use super::doing::{Doing, Result, message};
use super::kernel_files::{self, FileSystem, KernelFiles};
use super::root::Root;
use super::target::{self, MountPoints, PointKind};
use super::users;
use crate::container::sandbox::container::User;
use crate::container::sandbox::isolation::{DeviceNode, Isolation, Namespace};
use crate::container::sandbox::mount_api::{self, SOURCE};

const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

const NO_SUID_DEV_EXEC: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// The container's `/dev`, and what rbuild has created for it.
pub(super) struct Dev {
    /// What is visible there: rbuild's tmpfs, or what the user has mounted over it.
    tree: OwnedFd,
    is_own: bool,
    /// Its path in the root filesystem, with all links resolved.
    pub(super) place: PathBuf,
    nodes: Vec<(&'static str, OwnedFd)>,
    folders: Vec<(&'static str, OwnedFd)>,
    pub(super) terminals: KernelFiles,
}

pub(super) fn mount(root: &Root, points: &mut MountPoints<'_>, isolation: &Isolation) -> Result<Dev> {
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_STRICTATIME;
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, !isolation.opens_devices());
    let options = [("mode", Some("0755")), ("size", Some("65536k"))];
    let tree = mount_api::create("tmpfs", &options, attributes).doing("mount", "/dev")?;
    let point = points.open(Path::new("/dev"), PointKind::Directory)?;
    let place = points.place_of(&point)?;
    if place.as_os_str().is_empty() || place.starts_with("proc") || place.starts_with("sys") {
        return Err(message(format!("`/dev` of the image is a link to `/{}`", place.display())));
    }
    mount_api::attach(&tree, &point).doing("mount", "/dev")?;
    let nodes = USUAL.iter().map(|(name, major, minor)| Ok((*name, devices::make(root, name, *major, *minor)?)));
    let mut folders = Vec::new();
    folders.extend(message_queues(root, isolation)?.map(|queues| ("mqueue", queues)));
    if !isolation.namespaces.without_shm {
        folders.push(("shm", shared_memory(root, isolation)?));
    }
    let terminals = KernelFiles::new(terminals(root)?, FileSystem::Terminals, "/dev/pts")?;
    let dev = Dev { nodes: nodes.collect::<Result<_>>()?, tree, is_own: true, place, folders, terminals };
    dev.make_names(&dev.tree, root, isolation)?;
    for (name, mount) in dev.parts() {
        mount_api::attach(mount, dev.point(&dev.tree, name)?).doing("mount", format!("/dev/{name}"))?;
    }
    Ok(dev)
}

impl Dev {
    fn folders(&self) -> impl Iterator<Item = (&'static str, &OwnedFd)> {
        let own = self.folders.iter().map(|(name, mount)| (*name, mount));
        own.chain([("pts", self.terminals.handle())])
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, &OwnedFd)> {
        self.nodes.iter().map(|(name, mount)| (*name, mount)).chain(self.folders())
    }

    /// Creates the mount points of all parts in a new tmpfs, the links, and the host's devices if privileged.
    pub(super) fn make_names(&self, tree: &OwnedFd, root: &Root, isolation: &Isolation) -> Result<()> {
        for (name, _) in &self.nodes {
            rustix::fs::mknodat(tree, *name, FileType::RegularFile, Mode::from_raw_mode(0o666), 0)
                .doing("create", *name)?;
        }
        for (name, _) in self.folders() {
            rustix::fs::mkdirat(tree, name, Mode::from_raw_mode(0o755)).doing("create", name)?;
        }
        // Not every kernel has it.
        let has_core = Path::new("/proc/kcore").exists();
        for (name, destination) in LINKS.into_iter().filter(|(name, _)| has_core || *name != "core") {
            rustix::fs::symlinkat(destination, tree, name).doing("link", name)?;
        }
        // The host has some of these names as well.
        match isolation.privileged {
            true => devices::add_all_of_host(&root.host_devices, tree),
            false => Ok(()),
        }
    }

    /// Makes a tmpfs with these names, which is mounted over the current `/dev`, the container's `/dev`.
    pub(super) fn move_to(&mut self, tree: OwnedFd) -> Result<()> {
        for (name, mount) in self.parts() {
            self.attach_again(mount, &self.point(&tree, name)?, name)?;
        }
        self.tree = tree;
        Ok(())
    }

    /// Makes a folder of devices, which is mounted over the current `/dev`, the container's. No device in it can be
    /// opened unless a cgroup allows it; so the standard ones are mounted over their counterparts. Nothing is created
    /// in it.
    pub(super) fn give_way_to(&mut self, tree: OwnedFd, isolation: &Isolation) -> Result<()> {
        if !isolation.opens_devices() {
            for ((name, node), (_, major, minor)) in self.nodes.iter().zip(USUAL) {
                match kernel_files::beneath(&tree, Path::new(name), OFlags::PATH, ResolveFlags::empty()) {
                    Ok(point) if devices::is(&point, major, minor) => self.attach_again(node, &point, name)?,
                    _ => {}
                }
            }
        }
        self.tree = tree;
        self.is_own = false;
        Ok(())
    }

    fn attach_again(&self, mount: &OwnedFd, point: &OwnedFd, name: &str) -> Result<()> {
        let copy = mount_api::clone_tree(mount, c"", false).doing("bind", name)?;
        mount_api::attach(&copy, point).doing("mount", format!("/dev/{name}"))
    }

    fn point(&self, tree: &OwnedFd, name: &str) -> Result<OwnedFd> {
        kernel_files::beneath(tree, Path::new(name), OFlags::PATH, ResolveFlags::empty()).doing("open", name)
    }

    /// Adds the requested devices. In a `/dev` of the user's, their names must exist.
    pub(super) fn add_asked_for(&self, root: &Root, points: &mut MountPoints<'_>, isolation: &Isolation) -> Result<()> {
        for DeviceNode { host, path } in &isolation.devices {
            if !self.is_own && path.starts_with("/dev") && matches!(target::open(&root.mount, path), Err(Errno::NOENT))
            {
                return Err(message(format!("the `/dev` that is mounted has no `{}`", path.display())));
            }
            devices::asked_for(root, points, host, path)?;
        }
        Ok(())
    }

    /// rbuild's null device.
    pub(super) fn null(&self) -> Result<&OwnedFd> {
        let null = self.nodes.iter().find(|(name, _)| *name == "null").map(|(_, node)| node);
        null.filter(|null| devices::is(null, 1, 3)).ok_or_else(|| message("there is no null device"))
    }

    /// Mounts a terminal of this container's devpts at `/dev/console`. In a user's `/dev`, only if the name exists.
    pub(super) fn show_console(&self, console: &OwnedFd) -> Result<()> {
        let find = |name| kernel_files::beneath(&self.tree, Path::new(name), OFlags::PATH, ResolveFlags::empty());
        if !self.is_own {
            let is_folder = |point: &OwnedFd| target::is_directory(point).unwrap_or(false);
            if let Some(point) = find("pts").ok().filter(is_folder) {
                self.attach_again(self.terminals.handle(), &point, "pts")?;
            }
            return match find("console") {
                Ok(point) if !is_folder(&point) => mount_api::attach(console, &point).doing("mount", "/dev/console"),
                _ => Ok(()),
            };
        }
        let mode = Mode::from_raw_mode(0o666);
        match rustix::fs::mknodat(&self.tree, "console", FileType::RegularFile, mode, 0) {
            Ok(()) | Err(Errno::EXIST | Errno::ROFS) => {}
            Err(errno) => return Err(errno).doing("create", "/dev/console"),
        }
        match find("console") {
            Err(Errno::NOENT) => Ok(()),
            point => mount_api::attach(console, &point.doing("open", "/dev/console")?).doing("mount", "/dev/console"),
        }
    }
}

/// `/dev/shm` belongs to the IPC namespace, whether the container's own or another one.
fn shared_memory(root: &Root, isolation: &Isolation) -> Result<OwnedFd> {
    match isolation.namespaces.ipc {
        Namespace::Own => {
            let size = isolation.shm_size.to_string();
            let options = [(SOURCE, Some("shm")), ("mode", Some("1777")), ("size", Some(size.as_str()))];
            mount_api::create("tmpfs", &options, NO_SUID_DEV_EXEC).doing("mount", "/dev/shm")
        }
        Namespace::Host => mount_api::clone_tree(&root.host_devices, c"shm", false).doing("bind", "/dev/shm"),
        Namespace::OfProcess(pid) => tmpfs_of(pid, Path::new("/dev/shm")),
    }
}

/// A tmpfs of another container, cloned in its mount namespace.
pub(super) fn tmpfs_of(pid: i32, path: &Path) -> Result<OwnedFd> {
    let open = |path: &str| rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).doing("open", path);
    let (own, other) = (open("/proc/self/ns/mnt")?, open(&format!("/proc/{pid}/ns/mnt"))?);
    let enter = |namespace: &OwnedFd| {
        rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))
            .doing("enter", "a mount namespace")
    };
    enter(&other)?;
    // That container's links stay within its own files, except for the magic links of /proc.
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let handle = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
    let tree = handle.and_then(|handle| mount_api::clone_tree(&handle, c"", false));
    enter(&own)?;
    let tree = tree.doing("bind the other container's", path)?;
    // That container may have mounted something else there meanwhile.
    match FileSystem::of(&tree).doing("look at the other container's", path)? {
        Some(FileSystem::Tmpfs) => Ok(tree),
        _ => Err(message(format!("`{}` of the other container is not a tmpfs", path.display()))),
    }
}

/// `/dev/mqueue`; `None` if the container uses the host's, and the host has none.
fn message_queues(root: &Root, isolation: &Isolation) -> Result<Option<OwnedFd>> {
    match mount_api::create("mqueue", &[], NO_SUID_DEV_EXEC) {
        // Root of a user namespace can't mount a new one for the host's IPC namespace.
        Err(_) if isolation.namespaces.ipc == Namespace::Host => {
            match mount_api::clone_tree(&root.host_devices, c"mqueue", false) {
                Err(Errno::NOENT) => Ok(None),
                queues => queues.map(Some).doing("bind", "/dev/mqueue"),
            }
        }
        queues => queues.map(Some).doing("mount", "/dev/mqueue"),
    }
}

/// A new devpts. In a user namespace with a single group, there is no group for terminals.
fn terminals(root: &Root) -> Result<OwnedFd> {
    const GROUP_OF_TERMINALS: u32 = 5;
    let owner = User { gid: GROUP_OF_TERMINALS, ..User::default() };
    // A range of IDs may be too small to include it.
    let group = users::on_host(root.users.as_deref(), &owner).map_or(0, |owner| owner.gid).to_string();
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options =
        [("newinstance", None), ("ptmxmode", Some("0666")), ("mode", Some("0620")), ("gid", Some(group.as_str()))];
    match mount_api::create("devpts", &options, attributes) {
        Err(failure) if failure.errno == Errno::INVAL => mount_api::create("devpts", &options[..3], attributes),
        mounted => mounted,
    }
    .doing("mount", "/dev/pts")
}
