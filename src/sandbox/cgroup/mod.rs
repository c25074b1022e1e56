//! Limits that cgroups enforce, of version 1 and version 2 (cgroups(7)).
//!
//! A container without limits gets no cgroup. One with limits gets `rbuild/<process>-<n>` in each hierarchy that its
//! limits need, removed when the container has ended; what a killed rbuild left is removed by the next.

mod hierarchy;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::channel::CgroupMounts;
use super::error::SandboxError;
use super::isolation::Limits;
use hierarchy::Hierarchies;
use settings::Setting;

pub use hierarchy::{CgroupVersion, Controllers, controllers};

/// How long removed cgroups may need to become empty after their last process was waited for.
const REMOVAL_PATIENCE: Duration = Duration::from_millis(200);

/// The cgroups of one container, one per hierarchy in use.
#[derive(Debug)]
pub(super) struct Cgroup {
    directories: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes the cgroups that the limits need, and sets them. Nothing when there are no limits.
    pub(super) fn create(limits: &Limits) -> Result<Option<Self>, SandboxError> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        if limits.is_empty() {
            return Ok(None);
        }
        let hierarchies = Hierarchies::find()?;
        let name = format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let mut cgroup = Self { directories: Vec::new() };
        for setting in settings::settings(limits, hierarchies.version()) {
            let parent = hierarchies.parent(&setting, limits.parent.as_deref())?;
            let directory = parent.join(&name);
            if !cgroup.directories.contains(&directory) {
                remove_dead(&parent);
                std::fs::create_dir(&directory).map_err(|error| setting.failed(&directory, &error))?;
                cgroup.directories.push(directory.clone());
                hierarchies.prepare(&directory, &setting)?;
            }
            apply(&setting, &directory)?;
        }
        if cgroup.directories.is_empty() {
            let parent = limits.parent.clone().unwrap_or_default();
            let directory = hierarchies.any_parent(&parent)?.join(&name);
            std::fs::create_dir(&directory).map_err(|error| SandboxError::Limit {
                limit: "cgroup parent",
                reason: format!("`{}`: {error}", directory.display()),
            })?;
            cgroup.directories.push(directory);
        }
        Ok(Some(cgroup))
    }

    /// Puts a process, and all it will start, under the limits.
    pub(super) fn add(&self, pid: i32) -> Result<(), SandboxError> {
        for directory in &self.directories {
            let file = directory.join("cgroup.procs");
            std::fs::write(&file, pid.to_string()).map_err(|error| SandboxError::Limit {
                limit: "cgroup",
                reason: format!("`{}`: {error}", file.display()),
            })?;
        }
        Ok(())
    }

    /// Whether the kernel killed a process because the memory limit was reached.
    pub(super) fn was_out_of_memory(&self) -> bool {
        self.directories.iter().any(|directory| {
            ["memory.events", "memory.oom_control"].iter().any(|file| {
                let text = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
                text.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
            })
        })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let deadline = std::time::Instant::now() + REMOVAL_PATIENCE;
        for directory in &self.directories {
            while std::fs::remove_dir(directory).is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY)) {
                if std::time::Instant::now() > deadline {
                    // The next rbuild with limits removes it.
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn apply(setting: &Setting, directory: &Path) -> Result<(), SandboxError> {
    let file = directory.join(setting.file);
    match std::fs::write(&file, &setting.value) {
        Ok(()) => Ok(()),
        Err(error) if setting.optional && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(setting.failed(&file, &error)),
    }
}

/// Removes the cgroups of rbuild processes that are no more.
fn remove_dead(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.split_once('-')).and_then(|(pid, _)| pid.parse::<i32>().ok());
        if let Some(pid) = owner.and_then(rustix::process::Pid::from_raw)
            && rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
        {
            // Fails when a process is still in it, and it should.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

/// What a container is shown of the host's cgroups.
pub(super) fn container_mounts() -> CgroupMounts {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let legacy: Vec<String> = text
        .lines()
        .filter_map(|line| line.split(':').nth(1))
        .filter(|controllers| !controllers.is_empty())
        .map(str::to_owned)
        .collect();
    match (legacy.is_empty(), text.is_empty()) {
        (_, true) => CgroupMounts::None,
        (true, false) => CgroupMounts::Unified,
        (false, false) => CgroupMounts::Legacy(legacy),
    }
}
