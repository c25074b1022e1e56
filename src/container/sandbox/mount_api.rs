//! Mounts as file descriptors (fsopen(2), open_tree(2), mount_setattr(2), move_mount(2)): created detached, then
//! attached to an open handle, so that no path is looked up twice.

use std::ffi::CStr;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

/// `struct mount_attr` (linux/mount.h).
#[repr(C)]
#[derive(Default)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Why a filesystem can't be mounted: the errno and the kernel's explanation.
#[derive(Debug)]
pub(super) struct MountFailure {
    pub(super) errno: Errno,
    pub(super) explanation: String,
}

/// The option for a filesystem's source, the first column of `/proc/mounts`.
pub(super) const SOURCE: &str = "source";

/// Creates a detached filesystem. Options without a value are flags; an option may be repeated. Its source is its type,
/// unless an option sets another: docker's runtime names them like this.
pub(super) fn create(
    kind: &str,
    options: &[(&str, Option<&str>)],
    attributes: MountAttrFlags,
) -> std::result::Result<OwnedFd, MountFailure> {
    let plain = |errno| MountFailure { errno, explanation: String::new() };
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).map_err(plain)?;
    let source = if kind == "cgroup2" { "cgroup" } else { kind };
    let usual = [(SOURCE, Some(source))];
    let has_own = options.iter().any(|(key, _)| *key == SOURCE);
    let configure = || {
        for (key, value) in usual[usize::from(has_own)..].iter().chain(options) {
            match value {
                Some(value) => fsconfig_set_string(context.as_fd(), *key, *value)?,
                None => fsconfig_set_flag(context.as_fd(), *key)?,
            }
        }
        fsconfig_create(context.as_fd())?;
        fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    configure().map_err(|errno| MountFailure { errno, explanation: explanation(&context) })
}

/// Creates a detached procfs for that PID namespace. Kernels before 6.18 return `EINVAL`.
pub(super) fn create_proc_of(namespace: &OwnedFd, attributes: MountAttrFlags) -> Result<OwnedFd> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_fd(context.as_fd(), "pidns", namespace)?;
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// The kernel's messages about configuring the mount: one per read, each with a letter in front.
fn explanation(context: &OwnedFd) -> String {
    let Ok(duplicate) = context.try_clone() else { return String::new() };
    let mut file = std::fs::File::from(duplicate);
    let mut lines = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length) = file.read(&mut buffer) {
        let line = String::from_utf8_lossy(&buffer[..length]);
        lines.push(line.trim_end().trim_start_matches(['e', 'w', 'i']).trim_start().to_owned());
    }
    lines.join("; ")
}

/// Clones the mount at `path` below `directory`; with `recursive`, including mounts below it.
pub(super) fn clone_tree(directory: impl AsFd, path: &CStr, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_EMPTY_PATH, path.is_empty());
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    open_tree(directory, path, flags)
}

/// Attaches a mount at the handle `target`.
pub(super) fn attach(mount: &OwnedFd, target: impl AsFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount.as_fd(), c"", target, c"", flags)
}

/// Adds attributes to a mount; with `recursive`, also to all mounts below it.
pub(super) fn set_attributes(mount: &OwnedFd, attributes: MountAttrFlags, recursive: bool) -> Result<()> {
    let wanted = MountAttributes { set: u64::from(attributes.bits()), ..MountAttributes::default() };
    change(mount, &wanted, recursive)
}

/// Stops all propagation of mounts to and from other namespaces.
pub(super) fn make_private(mount: &OwnedFd) -> Result<()> {
    let wanted = MountAttributes { propagation: libc::MS_PRIVATE, ..MountAttributes::default() };
    change(mount, &wanted, true)
}

/// Receives mounts from other namespaces, but propagates none.
pub(super) fn make_slave(mount: &OwnedFd) -> Result<()> {
    let wanted = MountAttributes { propagation: libc::MS_SLAVE, ..MountAttributes::default() };
    change(mount, &wanted, true)
}

/// Maps the owners in a mount, which must still be detached, to a user namespace: the filesystem's root is root there
/// (mount_setattr(2), ID-mapped mounts).
pub(super) fn translate_owners(mount: &OwnedFd, users: BorrowedFd<'_>, recursive: bool) -> Result<()> {
    const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
    let user_namespace = users.as_raw_fd() as u64;
    let wanted = MountAttributes { set: MOUNT_ATTR_IDMAP, user_namespace, ..MountAttributes::default() };
    change(mount, &wanted, recursive)
}

fn change(mount: &OwnedFd, wanted: &MountAttributes, recursive: bool) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: mount_setattr reads a C string and `size` bytes of the structure; both live until it returns, and the
    // structure has the layout of its first version.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(wanted),
            size_of::<MountAttributes>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// The errno of the C library's last call.
pub(super) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}
