//! What a container is asked to be.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::isolation::Isolation;
use super::os_bytes;

/// One program, the files it sees, and what it may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Container {
    pub rootfs: Rootfs,
    /// Mounted in this order, on top of `/proc`, `/dev` and `/sys`, which every container gets.
    pub mounts: Vec<Mount>,
    pub process: Process,
    pub isolation: Isolation,
}

/// A stack of layer folders, merged by overlayfs with `userxattr`, whoever mounts it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stack {
    /// The layers, the lowest first; none for `scratch`.
    #[serde(with = "os_bytes")]
    pub lower: Vec<PathBuf>,
    /// Where changes go. Without it the merged tree is read-only.
    #[serde(with = "os_bytes")]
    pub upper: Option<PathBuf>,
    /// An empty folder next to `upper`, on the same filesystem. Needed exactly when there is an `upper`.
    #[serde(with = "os_bytes")]
    pub work: Option<PathBuf>,
    /// `fsync` in the container does nothing: whoever keeps `upper` syncs the filesystem later.
    pub volatile: bool,
}

/// Where the root filesystem comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Rootfs {
    /// Mounted in the container's own mount namespace: nothing is left of it when the container ends, however it ends.
    Overlay(Stack),
    /// A folder as it is, read and written in place.
    Directory(#[serde(with = "os_bytes")] PathBuf),
}

/// Something mounted at `target`, which is resolved within the root filesystem only. Missing folders and files on the
/// way are made, and reported by `Running::created_mount_points`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mount {
    #[serde(with = "os_bytes")]
    pub target: PathBuf,
    pub source: MountSource,
    pub read_only: bool,
    /// What is mounted below the source stays as it is.
    pub shallow: bool,
    /// A folder or file that is made for it to be mounted on is the container's from then on, and is not reported.
    pub lasting: bool,
}

/// How mounts that are made later travel between a bind and its source (mount_namespaces(7)). With `recursive` it is
/// true of what is mounted below, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    #[default]
    Private,
    /// From the host to the container.
    Slave,
    Shared,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum MountSource {
    /// A file or folder of the host. With `recursive`, what is mounted below it comes along.
    Bind {
        #[serde(with = "os_bytes")]
        path: PathBuf,
        recursive: bool,
        propagation: Propagation,
    },
    /// A file or folder that rbuild keeps for containers, such as a volume: its owners are numbers of the container's,
    /// whoever they are on the host. What is mounted below it comes along.
    Own(#[serde(with = "os_bytes")] PathBuf),
    /// What is at `path` in a folder whose files containers write: found in it when it is mounted, once, and nowhere
    /// else. What is mounted below it comes along.
    Within {
        #[serde(with = "os_bytes")]
        folder: PathBuf,
        #[serde(with = "os_bytes")]
        path: PathBuf,
        /// It is one that rbuild keeps, as of `Own`.
        is_own: bool,
    },
    /// A folder (or file) `path` inside a merged stack of layers, as `--mount=type=bind,from=stage` has it. With an
    /// `upper`, writes go there.
    Stack {
        stack: Stack,
        #[serde(with = "os_bytes")]
        path: PathBuf,
    },
    Tmpfs(TmpfsOptions),
    /// The tmpfs that is at that place of a process's mounts: another container's.
    TmpfsOfProcess {
        /// As the host numbers it.
        pid: i32,
        #[serde(with = "os_bytes")]
        path: PathBuf,
    },
    /// A file made for this container alone, kept in memory: a secret, `resolv.conf`, `hosts`.
    File {
        content: Vec<u8>,
        mode: u32,
        uid: u32,
        gid: u32,
        /// It is a program of the step's own; others are mounted so that nobody can execute them, whatever their mode.
        is_program: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TmpfsOptions {
    /// In bytes; the kernel's default (half of the memory) without it.
    pub size: Option<u64>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// What docker's `--tmpfs` sets: `noexec,nosuid,nodev`.
    pub no_exec: bool,
    /// What else tmpfs(5) has and mount(8) has for it, such as `nr_inodes` with a number, or `noatime`.
    #[serde(default)]
    pub more: Vec<(String, Option<String>)>,
}

impl Default for TmpfsOptions {
    fn default() -> Self {
        Self { size: None, mode: 0o1777, uid: 0, gid: 0, no_exec: false, more: Vec::new() }
    }
}

/// The program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// The program and its arguments. Without a slash, the program is looked up in the `PATH` of `environment`.
    #[serde(with = "os_bytes")]
    pub arguments: Vec<OsString>,
    /// `NAME=value`, as execve(2) takes them.
    #[serde(with = "os_bytes")]
    pub environment: Vec<OsString>,
    /// The working directory, absolute.
    #[serde(with = "os_bytes")]
    pub directory: PathBuf,
    /// Makes `directory`, owned by root, when it is missing.
    pub create_directory: bool,
    pub user: User,
    /// Gives the program a terminal of its own; `Running::terminal` has the other end, and `Stdio` is not used.
    pub terminal: bool,
    pub limits: Vec<ResourceLimit>,
    pub oom_score_adjust: Option<i32>,
    /// Puts a small init before the program, which reaps zombies and passes signals on (`--init`). Otherwise the
    /// program itself is process 1.
    pub init: bool,
}

/// Numbers as they are inside the container; `groups` are the supplementary ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// One of setrlimit(2); `u64::MAX` is unlimited.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResourceLimit {
    /// As docker names it: `nofile`, `nproc`, `core`, ...
    pub name: String,
    pub soft: u64,
    pub hard: u64,
}

/// What the program reads and writes when it has no terminal.
#[derive(Debug, Default)]
pub struct Stdio {
    pub stdin: Stream,
    pub stdout: Stream,
    pub stderr: Stream,
}

/// Never what this process was given by its caller: a program can open again what it has open, for more than it was
/// given it for.
#[derive(Debug, Default)]
pub enum Stream {
    /// A null device.
    #[default]
    Null,
    /// A pipe of rbuild's; closed in this process once the program has it.
    Fd(OwnedFd),
}
