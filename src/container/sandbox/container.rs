//! The configuration of a container.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::isolation::Isolation;
use super::os_bytes;

/// A program, the files it sees, and what it may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Container {
    pub rootfs: Rootfs,
    /// Mounted in this order, on top of `/proc`, `/dev` and `/sys`, which every container gets.
    pub mounts: Vec<Mount>,
    pub process: Process,
    pub isolation: Isolation,
}

/// A stack of layer folders, merged by overlayfs with `userxattr`, for root as well as for others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stack {
    /// The layers, lowest first; none for `scratch`.
    #[serde(with = "os_bytes")]
    pub lower: Vec<PathBuf>,
    /// Where changes go. Without it, the merged tree is read-only.
    #[serde(with = "os_bytes")]
    pub upper: Option<PathBuf>,
    /// An empty folder next to `upper`, on the same filesystem. Required if there is an `upper`.
    #[serde(with = "os_bytes")]
    pub work: Option<PathBuf>,
    /// `fsync` in the container does nothing: the owner of `upper` syncs the filesystem later.
    pub volatile: bool,
}

/// Where the root filesystem comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Rootfs {
    /// Mounted in the container's own mount namespace: nothing is left of it when the container ends for any reason.
    Overlay(Stack),
    /// A folder, read and written in place.
    Directory(#[serde(with = "os_bytes")] PathBuf),
}

/// Something mounted at `target`, which is resolved within the root filesystem. Missing files and folders in it are
/// created, and reported by `Running::created_mount_points`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mount {
    #[serde(with = "os_bytes")]
    pub target: PathBuf,
    pub source: MountSource,
    pub read_only: bool,
    /// Mounts below the source keep their own access mode.
    pub shallow: bool,
    /// A mount point that is created for it stays in the container, and is not reported.
    pub lasting: bool,
}

/// The propagation of later mounts between a bind mount and its source (mount_namespaces(7)). With `recursive`, it
/// applies to mounts below, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    #[default]
    Private,
    /// From the host to the container only.
    Slave,
    Shared,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum MountSource {
    /// A file or folder of the host. With `recursive`, including mounts below it.
    Bind {
        #[serde(with = "os_bytes")]
        path: PathBuf,
        recursive: bool,
        propagation: Propagation,
    },
    /// A file or folder that rbuild manages for containers, such as a volume: its owners are IDs of the container's
    /// user namespace. Mounts below it are included.
    Own(#[serde(with = "os_bytes")] PathBuf),
    /// `path` in a folder that containers write to: resolved within it once, when it is mounted, with mounts below it.
    Within {
        #[serde(with = "os_bytes")]
        folder: PathBuf,
        #[serde(with = "os_bytes")]
        path: PathBuf,
        /// Whether rbuild manages it, as in `Own`.
        is_own: bool,
    },
    /// A path in a merged stack of layers, as in `--mount=type=bind,from=stage`. With an `upper`, writes go there.
    Stack {
        stack: Stack,
        #[serde(with = "os_bytes")]
        path: PathBuf,
    },
    Tmpfs(TmpfsOptions),
    /// The tmpfs at that mount point of a process in another container.
    TmpfsOfProcess {
        /// The PID on the host.
        pid: i32,
        #[serde(with = "os_bytes")]
        path: PathBuf,
    },
    /// A file that is created for this container alone, in memory: a secret, `resolv.conf`, `hosts`.
    File {
        content: Vec<u8>,
        mode: u32,
        uid: u32,
        gid: u32,
        /// Whether it is a program of the step's own; other files are mounted `noexec`, whatever their mode.
        is_program: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TmpfsOptions {
    /// In bytes; the kernel's default (half of the memory) if `None`.
    pub size: Option<u64>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// docker's defaults for `--tmpfs`: `noexec,nosuid,nodev`.
    pub no_exec: bool,
    /// Other options of tmpfs(5) and mount(8), such as `nr_inodes` with a number, or `noatime`.
    #[serde(default)]
    pub more: Vec<(String, Option<String>)>,
}

impl Default for TmpfsOptions {
    fn default() -> Self {
        Self { size: None, mode: 0o1777, uid: 0, gid: 0, no_exec: false, more: Vec::new() }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// The program and its arguments. A program without a slash is looked up in the `PATH` of `environment`.
    #[serde(with = "os_bytes")]
    pub arguments: Vec<OsString>,
    /// `NAME=value`, as execve(2) takes them.
    #[serde(with = "os_bytes")]
    pub environment: Vec<OsString>,
    /// The working directory, absolute.
    #[serde(with = "os_bytes")]
    pub directory: PathBuf,
    /// Creates `directory`, owned by root, if it is missing.
    pub create_directory: bool,
    pub user: User,
    /// Gives the program its own terminal; `Running::terminal` is the master side, and `Stdio` is not used.
    pub terminal: bool,
    pub limits: Vec<ResourceLimit>,
    pub oom_score_adjust: Option<i32>,
    /// Runs a small init as process 1, which reaps zombies and forwards signals (`--init`), before the program.
    pub init: bool,
}

/// Numeric IDs inside the container; `groups` are the supplementary ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// A limit of setrlimit(2); `u64::MAX` is unlimited.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResourceLimit {
    /// docker's name: `nofile`, `nproc`, `core`, ...
    pub name: String,
    pub soft: u64,
    pub hard: u64,
}

/// The program's streams if it has no terminal.
#[derive(Debug, Default)]
pub struct Stdio {
    pub stdin: Stream,
    pub stdout: Stream,
    pub stderr: Stream,
}

/// Never a stream of this process's caller: a program can reopen its files with more access than they were given with.
#[derive(Debug, Default)]
pub enum Stream {
    /// A null device.
    #[default]
    Null,
    /// A pipe of rbuild; this process closes it once the program has it.
    Fd(OwnedFd),
}
