//! The root filesystem: layers merged by overlayfs, and the move into it.
//!
//! While it is set up, there is a private tmpfs (`staging`) over one of the layers' folders, only in this mount
//! namespace. It contains the root's mount point and whatever is bind-mounted from there into the container. It is gone
//! with the host's filesystem when that is detached.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountFlags, MountPropagationFlags, UnmountFlags};

use super::doing::{Doing, Result, message};
use super::users::Users;
use super::{devices, fallback, target};
use crate::container::sandbox::container::{Rootfs, Stack};
use crate::container::sandbox::error::InitError;
use crate::container::sandbox::mount_api;
use crate::container::sandbox::without::Without;

/// The maximum number of layers of an overlayfs mount (fs/overlayfs/params.c, `OVL_MAX_STACK`).
const MOST_LAYERS: usize = 500;

/// The folders of the staging area for changes, if the store's filesystem can't be an upper layer.
const SCRATCH: [&str; 2] = ["scratch-upper", "scratch-work"];

pub(super) struct Root {
    /// The root filesystem's mount.
    pub(super) mount: OwnedFd,
    pub(super) staging: OwnedFd,
    /// The host's `/dev`, opened before anything of the image is mounted.
    pub(super) host_devices: OwnedFd,
    /// The container's users, if they are not the host's.
    pub(super) users: Option<Rc<Users>>,
    /// Where changes go.
    pub(super) upper: Option<OwnedFd>,
    /// The folder with changes in memory, to be passed to rbuild.
    pub(super) scratch: Option<OwnedFd>,
}

/// The layers of a stack as handles, so that neither the length of their paths nor mounts over them matter.
pub(in crate::container::sandbox) struct OpenStack {
    /// The topmost first, as overlayfs expects them.
    lower: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd)>,
    /// The names of the two in their parent folder.
    names: (OsString, OsString),
    volatile: bool,
}

impl Root {
    /// Makes all mounts of this namespace private, and mounts the root filesystem.
    pub(super) fn mount(rootfs: &Rootfs, users: Option<Rc<Users>>) -> Result<Self> {
        let host_devices = devices::of_host()?;
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .doing("make private", "/")?;
        let (opened, anchor) = match rootfs {
            Rootfs::Directory(path) => {
                let tree = clone_host_path(path, true)?;
                users.as_ref().map_or(Ok(()), |users| users.translate(&tree, true, "the root filesystem"))?;
                (Err(tree), path.clone())
            }
            Rootfs::Overlay(stack) => {
                let anchor = stack.lower.last().or(stack.upper.as_ref()).cloned();
                (Ok(open_stack(stack)?), anchor.unwrap_or_else(|| PathBuf::from("/tmp")))
            }
        };
        let staging =
            mount_api::create("tmpfs", &[("mode", Some("0700"))], MountAttrFlags::empty()).doing("mount", "tmpfs")?;
        rustix::fs::mkdirat(&staging, "root", Mode::RWXU).doing("create", "root")?;
        let anchor_handle = rustix::fs::open(&anchor, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        mount_api::attach(&staging, anchor_handle.doing("open", &anchor)?).doing("mount a tmpfs on", &anchor)?;
        let (mount, upper, scratch) = match opened {
            Err(tree) => (tree, None, None),
            Ok(stack) => {
                let (mount, stack, scratch) = mount_stack_with_fallback(stack, &staging, users.as_deref())?;
                (mount, stack.upper.map(|(upper, _)| upper), scratch)
            }
        };
        let point = rustix::fs::openat(&staging, "root", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        mount_api::attach(&mount, point.doing("open", "root")?).doing("mount", "the root filesystem")?;
        Ok(Self { mount, staging, host_devices, users, upper, scratch })
    }

    /// Makes it this process's root, and detaches the host's filesystem.
    pub(super) fn enter(self, read_only: bool, may_unmount: bool) -> Result<()> {
        if read_only {
            mount_api::set_attributes(&self.mount, MountAttrFlags::MOUNT_ATTR_RDONLY, false)
                .doing("make read-only", "/")?;
        }
        rustix::process::fchdir(&self.mount).doing("enter", "the root filesystem")?;
        fallback::change_root(may_unmount)?;
        rustix::process::chdir("/").doing("enter", "/")
    }
}

/// A clone of the mount at a file or folder of the host.
pub(super) fn clone_host_path(path: &Path, recursive: bool) -> Result<OwnedFd> {
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).doing("open", path)?;
    mount_api::clone_tree(&handle, c"", recursive).doing("bind", path)
}

/// A clone of the mount at `path` in a folder that containers may write to: resolved once, and never outside.
pub(in crate::container::sandbox) fn clone_within(folder: &Path, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty()).doing("open", folder)?;
    let found = target::open(&root, path).doing("open", folder.join(path))?;
    mount_api::clone_tree(&found, c"", true).doing("bind", folder.join(path))
}

pub(in crate::container::sandbox) fn open_stack(stack: &Stack) -> Result<OpenStack> {
    let open = |path: &PathBuf| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).doing("open the layer", path)
    };
    if stack.lower.len() > MOST_LAYERS {
        let count = stack.lower.len();
        return Err(message(format!("the image has {count} layers, and overlayfs takes {MOST_LAYERS}")));
    }
    let upper = match (&stack.upper, &stack.work) {
        (Some(upper), Some(work)) => Some((open(upper)?, open(work)?)),
        (None, _) => None,
        (Some(_), None) => return Err(message("a writable stack of layers needs a work folder")),
    };
    let lower = stack.lower.iter().rev().map(open).collect::<Result<_>>()?;
    let name = |path: &Option<PathBuf>| path.as_ref().and_then(|path| path.file_name()).unwrap_or_default().to_owned();
    Ok(OpenStack { lower, upper, names: (name(&stack.upper), name(&stack.work)), volatile: stack.volatile })
}

impl OpenStack {
    pub(in crate::container::sandbox) fn upper(&self) -> Option<&OwnedFd> {
        self.upper.as_ref().map(|(upper, _)| upper)
    }

    /// The same with changes in other folders: what was the upper folder becomes the topmost layer.
    pub(super) fn with_changes_in(mut self, folders: (OwnedFd, OwnedFd), names: [&str; 2]) -> Self {
        if let Some((before, _)) = self.upper.replace(folders) {
            self.lower.insert(0, before);
        }
        self.names = (names[0].into(), names[1].into());
        self
    }
}

/// The merged tree, still detached.
pub(in crate::container::sandbox) fn mount_stack(
    stack: &OpenStack,
    staging: &OwnedFd,
    users: Option<&Users>,
) -> Result<OwnedFd> {
    if let Some(users) = users {
        return mount_stack(&translated(stack, staging, users)?, staging, None);
    }
    match (stack.lower.as_slice(), &stack.upper) {
        // overlayfs requires at least two layers. A single one is its own merged tree.
        ([], None) => mount_api::create("tmpfs", &[("mode", Some("0755"))], attributes(true)).doing("mount", "tmpfs"),
        ([], Some((upper, _))) => bind_layer(upper, false),
        ([only], None) => bind_layer(only, true),
        _ => match overlay(stack) {
            Err(failure) if failure.errno == Errno::INVAL || failure.errno == Errno::NOSYS => {
                // An older kernel may not know `lowerdir+`. Otherwise, the first error is the better one.
                overlay_of_older_kernel(stack, staging).or(Err(failure).doing("mount", "overlay"))
            }
            mounted => mounted.doing("mount", "overlay"),
        },
    }
}

/// The merged tree of a stack. If its upper folder is on a filesystem that overlayfs can't use for that (the overlayfs
/// of a container's own root, FUSE, network filesystems), changes go to the staging area's memory, and the upper folder
/// becomes the topmost layer. Returns the stack as mounted, and the folder in memory.
fn mount_stack_with_fallback(
    stack: OpenStack,
    staging: &OwnedFd,
    users: Option<&Users>,
) -> Result<(OwnedFd, OpenStack, Option<OwnedFd>)> {
    let refused = match mount_stack(&stack, staging, users) {
        Ok(mount) => return Ok((mount, stack, None)),
        Err(error) => error,
    };
    let is_refused = matches!(&refused, InitError::System { errno, .. } if *errno == Errno::INVAL.raw_os_error());
    let Some(upper) = stack.upper().filter(|_| is_refused) else { return Err(refused) };
    let scratch = scratch_like(upper, staging)?;
    let kept = open_in(staging, SCRATCH[0])?;
    let in_memory = stack.with_changes_in(scratch, SCRATCH);
    match mount_stack(&in_memory, staging, users) {
        Ok(mount) => {
            fallback::note(Without::LastingChanges);
            Ok((mount, in_memory, Some(kept)))
        }
        // Then the upper folder was not the problem.
        Err(_) => Err(refused),
    }
}

/// Two empty folders. The first has the attributes of `upper`, because it is the root of the merged tree.
fn scratch_like(upper: &OwnedFd, staging: &OwnedFd) -> Result<(OwnedFd, OwnedFd)> {
    let stat = rustix::fs::fstat(upper).doing("look at", "the folder of changes")?;
    for name in SCRATCH {
        rustix::fs::mkdirat(staging, name, Mode::RWXU).doing("create", name)?;
    }
    let name = SCRATCH[0];
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(staging, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .doing("change the owner of", name)?;
    rustix::fs::chmodat(staging, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())
        .doing("change the mode of", name)?;
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(staging, name, &times, AtFlags::SYMLINK_NOFOLLOW).doing("set the time of", name)?;
    Ok((open_in(staging, SCRATCH[0])?, open_in(staging, SCRATCH[1])?))
}

fn open_in(folder: &OwnedFd, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty()).doing("open", name)
}

/// The same layers with owners mapped for the container's users. They are attached to the staging area, because older
/// kernels only merge attached mounts.
fn translated(stack: &OpenStack, staging: &OwnedFd, users: &Users) -> Result<OpenStack> {
    let translate = |folder: &OwnedFd| -> Result<OwnedFd> {
        let tree = mount_api::clone_tree(folder, c"", false).doing("bind", "the layer")?;
        users.translate(&tree, false, "the folder of the layers")?;
        let name = format!("layer-{}", users.next_number());
        rustix::fs::mkdirat(staging, name.as_str(), Mode::RWXU).doing("create", &name)?;
        let point = rustix::fs::openat(staging, name.as_str(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        mount_api::attach(&tree, point.doing("open", &name)?).doing("mount", "the layer")?;
        Ok(tree)
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open =
        |folder: &OwnedFd, name: &OsStr| rustix::fs::openat(folder, name, flags, Mode::empty()).doing("open", name);
    let upper = match &stack.upper {
        None => None,
        Some((upper, _)) => {
            // overlayfs requires both of them in the same mount.
            let around = translate(&open(upper, OsStr::new(".."))?)?;
            Some((open(&around, &stack.names.0)?, open(&around, &stack.names.1)?))
        }
    };
    let lower = stack.lower.iter().map(translate).collect::<Result<_>>()?;
    Ok(OpenStack { lower, upper, names: stack.names.clone(), volatile: stack.volatile })
}

fn attributes(read_only: bool) -> MountAttrFlags {
    if read_only { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() }
}

fn bind_layer(layer: &OwnedFd, read_only: bool) -> Result<OwnedFd> {
    let tree = mount_api::clone_tree(layer, c"", false).doing("bind", "the layer")?;
    mount_api::set_attributes(&tree, attributes(read_only), false).doing("bind", "the layer")?;
    Ok(tree)
}

/// Options of every stack. `userxattr` is required for unprivileged mounts, so all layers use this format.
const OPTIONS: [(&str, Option<&str>); 3] = [("userxattr", None), ("index", Some("off")), ("xino", Some("off"))];

/// Layers are named by their descriptor numbers, relative to `/proc/self/fd`: a value is limited to 255 bytes.
fn overlay(stack: &OpenStack) -> std::result::Result<OwnedFd, mount_api::MountFailure> {
    let name = |fd: &OwnedFd| fd.as_raw_fd().to_string();
    let lower: Vec<String> = stack.lower.iter().map(name).collect();
    let upper = stack.upper.as_ref().map(|(upper, work)| (name(upper), name(work)));
    let mut options = OPTIONS.to_vec();
    options.extend(lower.iter().map(|layer| ("lowerdir+", Some(layer.as_str()))));
    if let Some((upper, work)) = &upper {
        options.extend([("upperdir", Some(upper.as_str())), ("workdir", Some(work.as_str()))]);
        if stack.volatile {
            options.push(("volatile", None));
        }
    }
    let failure = |errno| mount_api::MountFailure { errno, explanation: String::new() };
    rustix::process::chdir("/proc/self/fd").map_err(failure)?;
    mount_api::create("overlay", &options, MountAttrFlags::empty())
}

/// mount(2) takes all options in one page; the short names leave room for about a thousand layers.
fn overlay_of_older_kernel(stack: &OpenStack, staging: &OwnedFd) -> Result<OwnedFd> {
    let lower: Vec<String> = stack.lower.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
    let mut data = format!("userxattr,index=off,xino=off,lowerdir={}", lower.join(":"));
    if let Some((upper, work)) = &stack.upper {
        data.push_str(&format!(",upperdir={},workdir={}", upper.as_raw_fd(), work.as_raw_fd()));
        if stack.volatile {
            data.push_str(",volatile");
        }
    }
    let data = std::ffi::CString::new(data).map_err(message)?;
    rustix::fs::mkdirat(staging, "merged", Mode::RWXU).doing("create", "merged")?;
    let point = rustix::fs::openat(staging, "merged", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let point = point.doing("open", "merged")?;
    rustix::process::chdir("/proc/self/fd").doing("enter", "/proc/self/fd")?;
    let place = format!("/proc/self/fd/{}", point.as_raw_fd());
    rustix::mount::mount("overlay", place.as_str(), "overlay", MountFlags::empty(), data.as_c_str())
        .doing("mount", "overlay")?;
    let merged = rustix::fs::openat(staging, "merged", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let tree = mount_api::clone_tree(merged.doing("open", "merged")?.as_fd(), c"", false).doing("bind", "overlay")?;
    rustix::mount::unmount(place_of(staging, "merged").as_path(), UnmountFlags::DETACH).doing("unmount", "overlay")?;
    rustix::fs::unlinkat(staging, "merged", rustix::fs::AtFlags::REMOVEDIR).doing("remove", "merged")?;
    Ok(tree)
}

fn place_of(directory: &OwnedFd, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}
