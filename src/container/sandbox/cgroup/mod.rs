//! Limits that are enforced by cgroups, v1 and v2 (cgroups(7)).
//!
//! A container without limits gets no cgroup. One with limits gets `rbuild/<process>-<n>` in each hierarchy that its
//! limits need; it is removed when the container has ended, and the next rbuild removes those of a killed one. Device
//! rules are set in a parent cgroup of the container's own.

mod bpf;
mod device_program;
mod device_rule;
mod devices;
mod hierarchy;
mod settings;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::channel::CgroupMounts;
use super::error::SandboxError;
use super::isolation::{Isolation, Limits};
use super::resources::Resources;
use devices::Guard;
use hierarchy::Hierarchies;
use settings::{Setting, failed};

pub use devices::{USUAL_DEVICE_RULES, device_guard};
pub use hierarchy::{CgroupVersion, Controllers, controllers, limits_refused};
pub(super) use usage::network as network_bytes;
pub use usage::{Usage, machine_memory, usage};

/// How long a cgroup may take to become empty after its last process was waited for.
const REMOVAL_PATIENCE: Duration = Duration::from_millis(200);
const FREEZE_ATTEMPTS: usize = 1000;

/// The controllers of a cgroup that is not only needed for limits.
const ALL_CONTROLLERS: [&str; 6] = ["freezer", "memory", "cpu", "cpuacct", "pids", "blkio"];

/// The cgroups of a container, one per hierarchy in use.
#[derive(Debug, Default)]
pub(super) struct Cgroup {
    directories: Vec<PathBuf>,
    /// The parents of some of them that are only for this container.
    above: Vec<PathBuf>,
    /// The parent in cgroup v2, if it is not the one of the limits.
    parent: Option<String>,
    /// Owned by another process, which removes it.
    borrowed: bool,
}

impl Cgroup {
    /// Creates the cgroups that the container needs, and sets their limits. A container with `own_cgroup` gets one for
    /// each controller, as far as that is allowed here. `None` if none is needed.
    pub(super) fn create(isolation: &Isolation) -> Result<Option<Self>, SandboxError> {
        let limits = &isolation.limits;
        let mut cgroup = Self::default();
        if let Some(guard) = Guard::of(isolation)? {
            match cgroup.guard(&guard, limits.parent.as_deref()) {
                Err(error) if guard.is_required => return Err(error),
                Err(_) => cgroup = Self::default(),
                Ok(()) => {}
            }
        }
        let before = cgroup.directories.len();
        if isolation.own_cgroup && cgroup.complete(limits.parent.as_deref()).is_err() {
            // They are empty, and of no use.
            cgroup.directories.drain(before..).for_each(|directory| drop(std::fs::remove_dir(directory)));
        }
        if !limits.is_empty() {
            cgroup.make(limits)?;
        }
        cgroup.stand_apart(isolation);
        Ok(Some(cgroup).filter(|cgroup| !cgroup.directories.is_empty()))
    }

    fn make(&mut self, limits: &Limits) -> Result<(), SandboxError> {
        let hierarchies = Hierarchies::find()?;
        for setting in settings::settings(limits, hierarchies.version()) {
            let directory = self.directory_for(&setting, &hierarchies, limits)?;
            apply(&setting, &directory)?;
        }
        if self.directories.is_empty() {
            let above = self.parent.clone().or_else(|| limits.parent.clone());
            let directory = hierarchies.any_parent(&above.unwrap_or_default())?.join(self.name());
            make_folder(&directory).map_err(|error| failed("cgroup parent", &directory, &error))?;
            self.directories.push(directory);
        }
        Ok(())
    }

    /// The cgroup for a setting; it is created if it is missing.
    fn directory_for(
        &mut self,
        setting: &Setting,
        hierarchies: &Hierarchies,
        limits: &Limits,
    ) -> Result<PathBuf, SandboxError> {
        let above = self.parent.as_deref().or(limits.parent.as_deref());
        let parent = hierarchies.parent(setting, above)?;
        let directory = parent.join(self.name());
        if !self.directories.contains(&directory) {
            remove_dead(&parent);
            make_folder(&directory).map_err(|error| setting.failed(&directory, &error))?;
            self.directories.push(directory.clone());
            hierarchies.prepare(&directory, setting)?;
        }
        Ok(directory)
    }

    /// Creates further cgroups that limits need, and moves all processes of the container to them.
    pub(super) fn extend(&mut self, limits: &Limits, pid: i32) -> Result<(), SandboxError> {
        let hierarchies = Hierarchies::find()?;
        let before = self.directories.len();
        for setting in settings::settings(limits, hierarchies.version()) {
            self.directory_for(&setting, &hierarchies, limits)?;
        }
        match self.directories.get(before..) {
            Some(new) if !new.is_empty() => Self::borrowed(new.to_vec()).adopt(pid),
            _ => Ok(()),
        }
    }

    /// The name of its folders, by which others know the owner.
    fn name(&self) -> PathBuf {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        match self.directories.first().and_then(|directory| directory.file_name()) {
            Some(name) => PathBuf::from(name),
            None => PathBuf::from(format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))),
        }
    }

    /// Creates the missing cgroups, so that there is one for each controller.
    pub(super) fn complete(&mut self, parent: Option<&str>) -> Result<(), SandboxError> {
        let name = self.name();
        let above = self.parent.clone();
        for parent in Hierarchies::find()?.parents(&ALL_CONTROLLERS, above.as_deref().or(parent))? {
            let directory = parent.join(&name);
            if !self.directories.contains(&directory) {
                remove_dead(&parent);
                make_folder(&directory).map_err(|error| failed("cgroup", &directory, &error))?;
                self.directories.push(directory);
            }
        }
        Ok(())
    }

    fn borrowed(directories: Vec<PathBuf>) -> Self {
        Self { directories, above: Vec::new(), parent: None, borrowed: true }
    }

    /// The cgroups of a container that another process manages.
    pub(super) fn of_container(directories: &[String]) -> Self {
        Self::borrowed(directories.iter().map(PathBuf::from).collect())
    }

    /// The cgroups of a process, managed by others; without root cgroups.
    pub(super) fn of_process(pid: i32) -> Self {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let directories = Hierarchies::find().map(|found| found.places(&text)).unwrap_or_default();
        Self::borrowed(directories)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.directories.iter().map(|directory| directory.display().to_string()).collect()
    }

    /// Whether it can be frozen and given any limit.
    pub(super) fn has_all(&self) -> bool {
        self.freezer().is_some()
    }

    fn freezer(&self) -> Option<(PathBuf, &'static str)> {
        let file =
            |name: &str| self.directories.iter().map(|directory| directory.join(name)).find(|file| file.exists());
        file("cgroup.freeze").map(|file| (file, "1")).or_else(|| file("freezer.state").map(|file| (file, "FROZEN")))
    }

    pub(super) fn set(&self, limits: &Limits) -> Result<(), SandboxError> {
        let version = Hierarchies::find()?.version();
        for setting in settings::settings(limits, version) {
            let has_it = |directory: &&PathBuf| directory.join(setting.file).exists();
            match self.directories.iter().find(has_it) {
                Some(directory) => apply_in_any_order(&setting, directory)?,
                None if setting.optional => {}
                None => return Err(setting.failed(Path::new(setting.file), &std::io::ErrorKind::NotFound.into())),
            }
        }
        // A setting that could only be written after another one.
        for setting in settings::settings(limits, version) {
            if let Some(directory) = self.directories.iter().find(|directory| directory.join(setting.file).exists()) {
                apply(&setting, directory)?;
            }
        }
        Ok(())
    }

    pub(super) fn freeze(&self, frozen: bool) -> Result<(), SandboxError> {
        let no_freezer = || SandboxError::Limit { limit: "freezer", reason: "there is no freezer cgroup".to_owned() };
        let (file, word) = self.freezer().ok_or_else(no_freezer)?;
        let word = match (frozen, word) {
            (true, word) => word,
            (false, "1") => "0",
            (false, _) => "THAWED",
        };
        // cgroup v1 reports FREEZING while some process has not stopped yet, and may have to be told again.
        for _ in 0..FREEZE_ATTEMPTS {
            std::fs::write(&file, word).map_err(|error| failed("freezer", &file, &error))?;
            let state = std::fs::read_to_string(&file).map_err(|error| failed("freezer", &file, &error))?;
            if state.trim() == word {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(SandboxError::Limit { limit: "freezer", reason: "the container does not come to rest".to_owned() })
    }

    /// Moves all processes of a running container to it.
    pub(super) fn adopt(&self, pid: i32) -> Result<(), SandboxError> {
        let mut seen = std::collections::BTreeSet::new();
        loop {
            // Repeats until no process is left that was started meanwhile by one that had not been moved.
            let new: Vec<i32> = processes(pid).into_iter().filter(|pid| seen.insert(*pid)).collect();
            if new.is_empty() {
                return Ok(());
            }
            for pid in new {
                if let Err(error) = self.add(pid)
                    && Path::new(&format!("/proc/{pid}")).exists()
                {
                    return Err(error);
                }
            }
        }
    }

    /// Moves a process, and all that it will start, to the cgroups.
    pub(super) fn add(&self, pid: i32) -> Result<(), SandboxError> {
        for directory in &self.directories {
            let file = directory.join("cgroup.procs");
            std::fs::write(&file, pid.to_string()).map_err(|error| failed("cgroup", &file, &error))?;
        }
        Ok(())
    }

    /// Replaces resource usage by the cgroups' counters. A container may only have the cgroups that its limits need.
    pub(super) fn add_to(&self, resources: &mut Resources) {
        usage::add_to(resources, &self.directories);
    }

    /// Whether the kernel killed a process because of the memory limit.
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
        if self.borrowed {
            return;
        }
        let deadline = std::time::Instant::now() + REMOVAL_PATIENCE;
        for directory in self.directories.iter().chain(&self.above) {
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

/// The memory limit may never be above that of memory plus swap: a setting that is refused is tried again later.
fn apply_in_any_order(setting: &Setting, directory: &Path) -> Result<(), SandboxError> {
    match apply(setting, directory) {
        Err(_) if setting.controller == "memory" => Ok(()),
        applied => applied,
    }
}

/// For a container in the host's PID namespace: the descendants of its first process.
fn descendants(pid: i32, all: &[i32]) -> Vec<i32> {
    let parent = |pid: i32| -> Option<i32> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let comes_from = |other: &i32| {
        let line = std::iter::successors(Some(*other), |pid| parent(*pid).filter(|parent| *parent > 1));
        line.take(all.len()).any(|one| one == pid)
    };
    all.iter().copied().filter(comes_from).collect()
}

/// The processes in the same PID namespace as this one, including it.
pub fn processes(pid: i32) -> Vec<i32> {
    let namespace = |pid: i32| {
        let metadata = std::fs::metadata(format!("/proc/{pid}/ns/pid")).ok()?;
        Some(std::os::unix::fs::MetadataExt::ino(&metadata))
    };
    let own = namespace(pid);
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // This can't be read for a container in another user namespace.
    if own.is_none() || own == namespace(std::process::id() as i32) {
        return descendants(pid, &all.collect::<Vec<_>>());
    }
    all.filter(|other| namespace(*other) == own).collect()
}

fn apply(setting: &Setting, directory: &Path) -> Result<(), SandboxError> {
    let file = directory.join(setting.file);
    match std::fs::write(&file, &setting.value) {
        Ok(()) => Ok(()),
        Err(error) if setting.optional && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(setting.failed(&file, &error)),
    }
}

/// Creates a cgroup. Every user of the container may read it, whatever the umask: programs look up their limits there.
fn make_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// Removes the cgroups of rbuild processes that no longer exist.
fn remove_dead(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.split_once('-')).and_then(|(pid, _)| pid.parse::<i32>().ok());
        if let Some(pid) = owner.and_then(rustix::process::Pid::from_raw)
            && rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
        {
            // Such a cgroup has another one below it. This fails, as it should, if a process is still in it.
            let below = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
            below.for_each(|below| drop(std::fs::remove_dir(below.path())));
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

/// The cgroups that a container sees.
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
