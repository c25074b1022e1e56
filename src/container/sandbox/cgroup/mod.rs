//! Limits that cgroups enforce, of version 1 and version 2 (cgroups(7)).
//!
//! A container without limits gets no cgroup. One with limits gets `rbuild/<process>-<n>` in each hierarchy that its limits
//! need, removed when the container has ended; what a killed rbuild left is removed by the next. Where a cgroup says which
//! devices may be opened, that one is above the container's own.

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

/// How long removed cgroups may need to become empty after their last process was waited for.
const REMOVAL_PATIENCE: Duration = Duration::from_millis(200);
const FREEZE_ATTEMPTS: usize = 1000;

/// What a cgroup is made of that is not only there for its limits.
const ALL_CONTROLLERS: [&str; 6] = ["freezer", "memory", "cpu", "cpuacct", "pids", "blkio"];

/// The cgroups of one container, one per hierarchy in use.
#[derive(Debug, Default)]
pub(super) struct Cgroup {
    directories: Vec<PathBuf>,
    /// What is above some of them for this container alone.
    above: Vec<PathBuf>,
    /// The parent of those of version 2, where it is not that of the limits.
    parent: Option<String>,
    /// Somebody else's, who removes it.
    borrowed: bool,
}

impl Cgroup {
    /// Makes the cgroups that the container needs, and sets their limits. One that is to have its own gets one for each
    /// controller, as far as that is allowed here. Nothing when there is no need for any.
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
            // They are empty, and as good as none.
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

    /// The one that a setting is for; makes it when it is missing.
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

    /// Makes those that limits need and that the container has done without, and puts all of its processes into them.
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

    /// The name of its folders: by it, others know whose they are.
    fn name(&self) -> PathBuf {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        match self.directories.first().and_then(|directory| directory.file_name()) {
            Some(name) => PathBuf::from(name),
            None => PathBuf::from(format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))),
        }
    }

    /// Makes the missing ones, so that there is one for each controller.
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

    /// Those of a container that another process looks after.
    pub(super) fn of_container(directories: &[String]) -> Self {
        Self::borrowed(directories.iter().map(PathBuf::from).collect())
    }

    /// Those that a process is in, which somebody else looks after; without any that is a root.
    pub(super) fn of_process(pid: i32) -> Self {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let directories = Hierarchies::find().map(|found| found.places(&text)).unwrap_or_default();
        Self::borrowed(directories)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.directories.iter().map(|directory| directory.display().to_string()).collect()
    }

    /// Whether it can be frozen and put under any limit.
    pub(super) fn has_all(&self) -> bool {
        self.freezer().is_some()
    }

    fn freezer(&self) -> Option<(PathBuf, &'static str)> {
        let file =
            |name: &str| self.directories.iter().map(|directory| directory.join(name)).find(|file| file.exists());
        file("cgroup.freeze").map(|file| (file, "1")).or_else(|| file("freezer.state").map(|file| (file, "FROZEN")))
    }

    /// Changes limits.
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
        // What could only be set after another one was.
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
        // Version 1 says FREEZING while some process has not stopped yet, and may have to be asked again.
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

    /// Takes in all processes of a container that runs already.
    pub(super) fn adopt(&self, pid: i32) -> Result<(), SandboxError> {
        let mut seen = std::collections::BTreeSet::new();
        loop {
            // Until nobody is left that was started meanwhile by one not yet moved.
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

    /// Puts a process, and all it will start, under the limits.
    pub(super) fn add(&self, pid: i32) -> Result<(), SandboxError> {
        for directory in &self.directories {
            let file = directory.join("cgroup.procs");
            std::fs::write(&file, pid.to_string()).map_err(|error| failed("cgroup", &file, &error))?;
        }
        Ok(())
    }

    /// Puts what the cgroups counted in the place of what is known otherwise. One may have no more than its limits need.
    pub(super) fn add_to(&self, resources: &mut Resources) {
        usage::add_to(resources, &self.directories);
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

/// A limit of memory can't be above that of memory and swap, nor the other way round, at any moment: one that is refused
/// is tried again after the others.
fn apply_in_any_order(setting: &Setting, directory: &Path) -> Result<(), SandboxError> {
    match apply(setting, directory) {
        Err(_) if setting.controller == "memory" => Ok(()),
        applied => applied,
    }
}

/// Of a container that sees the host's processes: those that come from its first one.
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

/// The processes that are in the same process namespace as this one, which is among them.
pub fn processes(pid: i32) -> Vec<i32> {
    let namespace = |pid: i32| {
        let metadata = std::fs::metadata(format!("/proc/{pid}/ns/pid")).ok()?;
        Some(std::os::unix::fs::MetadataExt::ino(&metadata))
    };
    let own = namespace(pid);
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // Of a container in another user namespace, that can't be seen.
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

/// Makes a cgroup. Every user of the container may look into it, whatever the umask: programs ask there for their limits.
fn make_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// Removes the cgroups of rbuild processes that are no more.
fn remove_dead(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.split_once('-')).and_then(|(pid, _)| pid.parse::<i32>().ok());
        if let Some(pid) = owner.and_then(rustix::process::Pid::from_raw)
            && rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
        {
            // One that guards devices has another one below it. Fails when a process is still in it, and it should.
            let below = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
            below.for_each(|below| drop(std::fs::remove_dir(below.path())));
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
