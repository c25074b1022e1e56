//! The kernel's filesystems in a container, by handles of their fresh mounts: what is found there is the kernel's,
//! whatever an image or a volume has at their paths.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FsWord, Mode, OFlags, ResolveFlags, fstat, fstatfs};
use rustix::io::Errno;

use super::doing::{Doing, Result, message};

/// The inode number of the root of a procfs (`PROC_ROOT_INO` of linux/proc_ns.h) and of a sysfs.
const ROOT_INODE: u64 = 1;

/// Magic numbers from linux/magic.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileSystem {
    Cgroup,
    Cgroup2,
    MessageQueues,
    Proc,
    Sys,
    Terminals,
    Tmpfs,
}

impl FileSystem {
    const ALL: [(Self, FsWord); 7] = [
        (Self::Cgroup, 0x0027_e0eb),
        (Self::Cgroup2, 0x6367_7270),
        (Self::MessageQueues, 0x1980_0202),
        (Self::Proc, 0x9fa0),
        (Self::Sys, 0x6265_6572),
        (Self::Terminals, 0x1cd1),
        (Self::Tmpfs, 0x0102_1994),
    ];

    /// The filesystem of a handle, if it is one of these.
    pub(super) fn of(handle: impl AsFd) -> rustix::io::Result<Option<Self>> {
        let magic = fstatfs(handle)?.f_type;
        Ok(Self::ALL.into_iter().find(|(_, own)| *own == magic).map(|(kind, _)| kind))
    }

    /// Whether the kernel defines its content, so that creating a name there has an effect in the kernel.
    pub(super) fn is_kernels(self) -> bool {
        self != Self::Tmpfs
    }
}

/// The root of such a filesystem.
#[derive(Debug)]
pub(in crate::container::sandbox) struct KernelFiles {
    root: OwnedFd,
    kind: FileSystem,
}

impl KernelFiles {
    /// Fails if the handle is not of the root of such a filesystem.
    pub(super) fn new(root: OwnedFd, kind: FileSystem, place: &str) -> Result<Self> {
        if FileSystem::of(&root).doing("look at", place)? != Some(kind) {
            return Err(message(format!("what is mounted for `{place}` is not what it has to be ({kind:?})")));
        }
        Ok(Self { root, kind })
    }

    /// The host's procfs, as rbuild sees it.
    pub(super) fn hosts_proc() -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open("/proc", flags, Mode::empty()).doing("open", "/proc")?;
        let proc = Self::new(root, FileSystem::Proc, "/proc")?;
        if !is_root_of(&proc.root, FileSystem::Proc).doing("look at", "/proc")? {
            return Err(message("`/proc` is not the root of a proc filesystem"));
        }
        Ok(proc)
    }

    pub(in crate::container::sandbox) fn try_clone(&self) -> rustix::io::Result<Self> {
        Ok(Self { root: rustix::io::fcntl_dupfd_cloexec(&self.root, 0)?, kind: self.kind })
    }

    pub(super) fn handle(&self) -> &OwnedFd {
        &self.root
    }

    /// Opens a file by its own name: follows no link, and enters no mount over it or above it.
    pub(super) fn open(&self, path: impl AsRef<Path>, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        beneath(&self.root, path.as_ref(), flags, ResolveFlags::NO_XDEV)
    }

    /// What is visible at a path, whatever is mounted on the way; `None` if it is not of this filesystem.
    pub(super) fn find(&self, path: impl AsRef<Path>) -> rustix::io::Result<Option<OwnedFd>> {
        match beneath(&self.root, path.as_ref(), OFlags::PATH, ResolveFlags::empty()) {
            // Not every kernel has every file. A link is not the kernel's: here it has only folders and files.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => Ok(None),
            found => found.and_then(|found| Ok((FileSystem::of(&found)? == Some(self.kind)).then_some(found))),
        }
    }

    /// Writes to the first of these files of this process that the kernel has; only for a procfs.
    pub(in crate::container::sandbox) fn write_own(&self, files: &[&str], text: &str) -> rustix::io::Result<()> {
        // The only link that is read: the kernel's answer for the calling process.
        let own = rustix::fs::readlinkat(&self.root, "self", Vec::new())?;
        let own = own.to_str().ok().filter(|own| own.bytes().all(|byte| byte.is_ascii_digit())).ok_or(Errno::INVAL)?;
        let own = self.open(own, OFlags::PATH | OFlags::DIRECTORY)?;
        for file in files {
            match beneath(&own, Path::new(file), OFlags::WRONLY | OFlags::NOCTTY, ResolveFlags::NO_XDEV) {
                Err(Errno::NOENT) => {}
                file => return write(&file?, text),
            }
        }
        Err(Errno::NOENT)
    }

    pub(super) fn write(&self, path: impl AsRef<Path>, text: &str) -> rustix::io::Result<()> {
        write(&self.open(path, OFlags::WRONLY | OFlags::NOCTTY)?, text)
    }
}

fn write(file: &OwnedFd, text: &str) -> rustix::io::Result<()> {
    match rustix::io::write(file, text.as_bytes())? {
        written if written == text.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

/// Whether a handle is of the root of such a filesystem, and not of a part of it.
pub(super) fn is_root_of(handle: impl AsFd, kind: FileSystem) -> rustix::io::Result<bool> {
    Ok(FileSystem::of(&handle)? == Some(kind) && fstat(handle)?.st_ino == ROOT_INODE)
}

/// Opens a path below a folder, without following links.
pub(super) fn beneath(
    folder: &OwnedFd,
    path: &Path,
    flags: OFlags,
    further: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | further;
    loop {
        match rustix::fs::openat2(folder, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // Something was renamed or mounted meanwhile (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}
