//! Which cgroup hierarchies are mounted here, and where rbuild's cgroups go in them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::settings::{Setting, refusal};
use crate::container::sandbox::error::SandboxError;

/// The cgroup that rbuild's are under, unless the user names another.
const PARENT: &str = "rbuild";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    V1,
    V2,
}

/// What there is to set limits with.
#[derive(Debug)]
pub struct Controllers {
    pub version: CgroupVersion,
    pub names: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Hierarchies {
    /// Version 1: the mount point of each controller.
    legacy: BTreeMap<String, PathBuf>,
    /// Version 2, with controllers: its mount point.
    unified: Option<PathBuf>,
    /// Where each hierarchy is mounted, also those without controllers.
    roots: Vec<PathBuf>,
}

/// The controllers that limits can be set with here.
pub fn controllers() -> Result<Controllers, SandboxError> {
    let hierarchies = Hierarchies::find()?;
    let names = match &hierarchies.unified {
        Some(root) => words(&root.join("cgroup.controllers")),
        None => hierarchies.legacy.keys().cloned().collect(),
    };
    Ok(Controllers { version: hierarchies.version(), names })
}

/// Why containers can't have limits here; nothing where they can.
pub fn limits_refused() -> Option<String> {
    let hierarchies = match Hierarchies::find() {
        Ok(hierarchies) => hierarchies,
        Err(SandboxError::Limit { reason, .. }) => return Some(reason),
        Err(error) => return Some(error.to_string()),
    };
    let roots: Vec<&PathBuf> = match &hierarchies.unified {
        Some(root) => vec![root],
        None => ["memory", "cpu", "pids"].iter().filter_map(|name| hierarchies.legacy.get(*name)).collect(),
    };
    roots.into_iter().find_map(|root| {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).filter(|_| hierarchies.unified.is_some());
        let usual = root.join(relative(None));
        let place = if usual.exists() { usual } else { root.clone() };
        let refused = rustix::fs::access(&place, Access::WRITE_OK).err()?;
        // As version 2 lets a user have a part of the tree.
        if own.is_some_and(|own| rustix::fs::access(root.join(own), Access::WRITE_OK).is_ok()) {
            return None;
        }
        refusal(&place.join("new"), &refused.into())
    })
}

impl Hierarchies {
    pub(super) fn find() -> Result<Self, SandboxError> {
        let text = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| SandboxError::Limit {
            limit: "cgroup",
            reason: format!("`/proc/self/mountinfo`: {error}"),
        })?;
        let found = Self::parse(&text);
        if found.legacy.is_empty() && found.unified.is_none() {
            let reason = "no cgroup filesystem with controllers is mounted".to_owned();
            return Err(SandboxError::Limit { limit: "cgroup", reason });
        }
        Ok(found)
    }

    /// Takes the lines of proc_pid_mountinfo(5). The first mount of a controller counts.
    fn parse(mountinfo: &str) -> Self {
        let mut legacy = BTreeMap::new();
        let mut unified = None;
        let (mut roots, mut seen) = (Vec::new(), Vec::new());
        for line in mountinfo.lines() {
            let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
            let Some(place) = mount.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut filesystem = filesystem.split(' ');
            let (kind, device) = (filesystem.next(), mount.split(' ').nth(2));
            if kind.is_some_and(|kind| kind.starts_with("cgroup")) && !seen.contains(&device) {
                seen.push(device);
                roots.push(place.clone());
            }
            match (kind, filesystem.nth(1)) {
                (Some("cgroup2"), _) => {
                    unified.get_or_insert(place);
                }
                (Some("cgroup"), Some(options)) => {
                    let controllers = options.split(',').filter(|word| !matches!(*word, "rw" | "ro" | "xattr"));
                    for controller in controllers.filter(|word| !word.contains('=')) {
                        legacy.entry(controller.to_owned()).or_insert(place.clone());
                    }
                }
                _ => {}
            }
        }
        // Beside version 1, version 2 has no controllers left.
        Self { unified: unified.filter(|_| legacy.is_empty()), legacy, roots }
    }

    /// The folders that the lines of `/proc/PID/cgroup` name, as far as their hierarchies are mounted here.
    pub(super) fn places(&self, text: &str) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        for line in text.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let root = match controllers {
                "" => self.unified.as_ref(),
                several => several.split(',').find_map(|one| self.legacy.get(one)),
            };
            let path = path.trim_start_matches('/');
            if let Some(root) = root.filter(|_| !path.is_empty() && !path.starts_with("..")) {
                found.push(root.join(path));
            }
        }
        found
    }

    /// The folder for cgroups that say which devices may be opened, in version 1.
    pub(super) fn devices(&self, parent: Option<&str>) -> Option<PathBuf> {
        self.legacy.get("devices").map(|root| root.join(relative(parent)))
    }

    /// Makes a folder for cgroups below rbuild's, in version 2. Gives it, and what it is called as somebody's parent.
    pub(super) fn unified_below(
        &self,
        parent: Option<&str>,
        name: &Path,
    ) -> Result<(PathBuf, String), (PathBuf, io::Error)> {
        let root = self.unified.as_deref().unwrap_or(Path::new("/"));
        let below = format!("{}/{}", relative(parent), name.display());
        Ok((unified_parent(root, Some(&below))?, below))
    }

    /// Where each hierarchy is mounted.
    pub(super) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    pub(super) fn version(&self) -> CgroupVersion {
        if self.unified.is_some() { CgroupVersion::V2 } else { CgroupVersion::V1 }
    }

    /// The folder that a cgroup with this setting is to be made in.
    pub(super) fn parent(&self, setting: &Setting, parent: Option<&str>) -> Result<PathBuf, SandboxError> {
        let missing = || SandboxError::Limit {
            limit: setting.limit,
            reason: format!("this machine has no `{}` cgroup controller", setting.controller),
        };
        match &self.unified {
            Some(root) => {
                let directory = unified_parent(root, parent).map_err(|(path, error)| setting.failed(&path, &error))?;
                enable(root, &directory, setting)?;
                Ok(directory)
            }
            None => {
                let root = self.legacy.get(setting.controller).ok_or_else(missing)?;
                let directory = root.join(relative(parent));
                std::fs::create_dir_all(&directory).map_err(|error| setting.failed(&directory, &error))?;
                Ok(directory)
            }
        }
    }

    /// The folders that a cgroup with these controllers is to be made in, as far as they exist here.
    pub(super) fn parents(
        &self,
        controllers: &[&'static str],
        parent: Option<&str>,
    ) -> Result<Vec<PathBuf>, SandboxError> {
        let failed = |path: &Path, error: &io::Error| super::settings::failed("cgroup", path, error);
        if let Some(root) = &self.unified {
            let directory = unified_parent(root, parent).map_err(|(path, error)| failed(&path, &error))?;
            for controller in controllers {
                // Those that are missing can't be measured; a limit that needs one says so.
                let setting = Setting { limit: "", controller, file: "", value: String::new(), optional: true };
                let _ = enable(root, &directory, &setting);
            }
            return Ok(vec![directory]);
        }
        let mut found = Vec::new();
        for root in controllers.iter().filter_map(|controller| self.legacy.get(*controller)) {
            let directory = root.join(relative(parent));
            std::fs::create_dir_all(&directory).map_err(|error| failed(&directory, &error))?;
            found.push(directory);
        }
        Ok(found)
    }

    /// A folder for a container that has a parent cgroup and no limits of its own.
    pub(super) fn any_parent(&self, parent: &str) -> Result<PathBuf, SandboxError> {
        let failed = |(path, error): (PathBuf, io::Error)| SandboxError::Limit {
            limit: "cgroup parent",
            reason: format!("`{}`: {error}", path.display()),
        };
        if let Some(root) = &self.unified {
            return unified_parent(root, Some(parent)).map_err(failed);
        }
        let root = self.legacy.get("pids").or(self.legacy.values().next());
        let directory = root.cloned().unwrap_or_default().join(relative(Some(parent)));
        std::fs::create_dir_all(&directory).map_err(|error| failed((directory.clone(), error)))?;
        Ok(directory)
    }

    /// Version 1's cpuset takes no process before both of its lists are set; they come from the cgroup above.
    pub(super) fn prepare(&self, directory: &Path, setting: &Setting) -> Result<(), SandboxError> {
        if setting.controller != "cpuset" {
            return Ok(());
        }
        self.inherit_processors(directory).map_err(|(path, error)| setting.failed(&path, &error))
    }

    /// The same for a cgroup of any controller.
    pub(super) fn inherit_processors(&self, directory: &Path) -> Result<(), (PathBuf, io::Error)> {
        if !self.legacy.get("cpuset").is_some_and(|root| directory.starts_with(root)) {
            return Ok(());
        }
        let parent = directory.parent().unwrap_or(directory);
        for level in [parent, directory] {
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let own = level.join(file);
                let inherited = level.parent().unwrap_or(level).join(file);
                if words(&own).is_empty() {
                    let value = std::fs::read(&inherited).map_err(|error| (inherited, error))?;
                    std::fs::write(&own, value).map_err(|error| (own, error))?;
                }
            }
        }
        Ok(())
    }
}

pub(super) fn relative(parent: Option<&str>) -> &str {
    match parent.map(|parent| parent.trim_matches('/')) {
        Some(parent) if !parent.is_empty() && !parent.split('/').any(|part| part == "..") => parent,
        _ => PARENT,
    }
}

/// As root, a cgroup at the top, as docker has it. An ordinary user may only make one in rbuild's own cgroup, if that
/// was delegated.
fn unified_parent(root: &Path, parent: Option<&str>) -> Result<PathBuf, (PathBuf, io::Error)> {
    let top = root.join(relative(parent));
    match std::fs::create_dir_all(&top) {
        Ok(()) => Ok(top),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
            let directory = root.join(own).join(relative(parent));
            std::fs::create_dir_all(&directory).map_err(|error| (directory.clone(), error))?;
            Ok(directory)
        }
        Err(error) => Err((top, error)),
    }
}

/// Lets the children of `directory` use the setting's controller, and all above it up to the root.
fn enable(root: &Path, directory: &Path, setting: &Setting) -> Result<(), SandboxError> {
    let mut levels: Vec<&Path> = directory.ancestors().take_while(|level| level.starts_with(root)).collect();
    levels.reverse();
    for level in levels {
        let file = level.join("cgroup.subtree_control");
        if words(&file).iter().any(|name| name == setting.controller) {
            continue;
        }
        let written = std::fs::write(&file, format!("+{}", setting.controller));
        written.map_err(|error| setting.failed(&file, &error))?;
    }
    Ok(())
}

fn words(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_with_2_beside_it() {
        let found = Hierarchies::parse(
            "30 24 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
             31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             32 24 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
             33 24 0:29 / /elsewhere/memory rw - cgroup cgroup rw,memory\n\
             34 24 0:30 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n",
        );
        assert_eq!(found.version(), CgroupVersion::V1);
        assert_eq!(found.legacy.keys().collect::<Vec<_>>(), ["cpu", "memory"]);
        assert_eq!(found.legacy["memory"], Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(found.roots().len(), 5);
    }

    #[test]
    fn version_2_alone() {
        let found = Hierarchies::parse("34 24 0:30 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n");
        assert_eq!(found.unified.as_deref(), Some(Path::new("/sys/fs/cgroup")));
        assert_eq!(found.version(), CgroupVersion::V2);
    }
}
