//! Parts of `/proc` and `/sys` that a container must not see, or must not write to: docker's lists.
//!
//! They are opened beneath the handles of those filesystems. As in docker, the user's mounts on the way are entered,
//! and something is masked only if the kernel's own file is visible there.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::doing::{Doing, Result};
use super::kernel_files::KernelFiles;
use super::root::Root;
use super::standard::Standard;
use super::target;
use crate::container::sandbox::isolation::Isolation;
use crate::container::sandbox::mount_api::{self, MountFailure};

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

pub const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// In the folder of each CPU: how often it was throttled reveals what others on the host do (docker's list).
const PROCESSORS: &str = "devices/system/cpu";
const OF_PROCESSOR: &str = "thermal_throttle";

/// All paths that are masked on this host, for a container of another runtime.
pub fn masked_paths() -> Vec<String> {
    let folder = Path::new("/sys").join(PROCESSORS);
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let throttles =
        entries.filter(|entry| is_processor(entry.file_name().as_bytes())).map(|entry| entry.path().join(OF_PROCESSOR));
    let found = throttles.filter(|path| path.exists()).map(|path| path.display().to_string());
    MASKED.into_iter().map(str::to_owned).chain(found).collect()
}

/// `cpu0`, but not `cpufreq`.
fn is_processor(name: &[u8]) -> bool {
    name.strip_prefix(b"cpu").is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

pub(super) fn apply(root: &Root, standard: &Standard, isolation: &Isolation) -> Result<()> {
    if isolation.privileged || isolation.system_paths_shown {
        return Ok(());
    }
    let proc = standard.shown_proc.as_ref().unwrap_or(&standard.proc);
    let covers = Covers { file: standard.dev.null()?, folder: empty_folder(root)? };
    let of = |path: &'static str| match path.strip_prefix("/proc/") {
        Some(inside) => (proc, inside),
        None => (&standard.sys, path.trim_start_matches("/sys/")),
    };
    for path in MASKED {
        let (files, inside) = of(path);
        covers.hide(files, inside).doing("hide", path)?;
    }
    for name in processors(&standard.sys).doing("read", PROCESSORS)? {
        let inside = format!("{PROCESSORS}/{name}/{OF_PROCESSOR}");
        covers.hide(&standard.sys, &inside).doing("hide", &inside)?;
    }
    for path in READ_ONLY {
        let (files, inside) = of(path);
        if let Some(found) = files.find(inside).doing("open", path)? {
            make_read_only(&found).doing("make read-only", path)?;
        }
    }
    Ok(())
}

fn processors(sys: &KernelFiles) -> rustix::io::Result<Vec<String>> {
    let folder = match sys.open(PROCESSORS, OFlags::RDONLY | OFlags::DIRECTORY) {
        // Something that is not the kernel's is mounted there, or nothing exists.
        Err(Errno::NOENT | Errno::XDEV) => return Ok(Vec::new()),
        folder => folder?,
    };
    let names = Dir::new(folder)?.flatten().map(|entry| entry.file_name().to_owned());
    Ok(names.filter(|name| is_processor(name.to_bytes())).map(|name| name.to_string_lossy().into_owned()).collect())
}

/// What is mounted over masked paths; created by rbuild.
struct Covers<'a> {
    /// The null device.
    file: &'a OwnedFd,
    folder: OwnedFd,
}

impl Covers<'_> {
    fn hide(&self, files: &KernelFiles, path: &str) -> std::result::Result<(), MountFailure> {
        let failure = |errno| MountFailure { errno, explanation: String::new() };
        let Some(found) = files.find(path).map_err(failure)? else { return Ok(()) };
        let cover = match target::is_directory(&found).map_err(failure)? {
            true => mount_api::clone_tree(&self.folder, c"", false).map_err(failure)?,
            false => {
                let cover = mount_api::clone_tree(self.file, c"", false).map_err(failure)?;
                mount_api::set_attributes(&cover, MountAttrFlags::MOUNT_ATTR_RDONLY, false).map_err(failure)?;
                cover
            }
        };
        mount_api::attach(&cover, found).map_err(failure)
    }
}

/// A read-only folder. It is attached to the staging area, because older kernels can only clone attached mounts.
fn empty_folder(root: &Root) -> Result<OwnedFd> {
    const NAME: &str = "empty";
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options = [("mode", Some("0755")), ("nr_inodes", Some("1")), ("nr_blocks", Some("1"))];
    let folder = mount_api::create("tmpfs", &options, attributes).doing("mount", "an empty folder")?;
    rustix::fs::mkdirat(&root.staging, NAME, Mode::RWXU).doing("create", NAME)?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let point = rustix::fs::openat(&root.staging, NAME, flags, Mode::empty()).doing("open", NAME)?;
    mount_api::attach(&folder, point).doing("mount", "an empty folder")?;
    Ok(folder)
}

fn make_read_only(found: &OwnedFd) -> rustix::io::Result<()> {
    let tree = mount_api::clone_tree(found, c"", true)?;
    mount_api::set_attributes(&tree, MountAttrFlags::MOUNT_ATTR_RDONLY, true)?;
    mount_api::attach(&tree, found)
}
