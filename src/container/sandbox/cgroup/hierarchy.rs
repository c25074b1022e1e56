//! Which cgroup hierarchies are mounted here, and where rbuild's cgroups are in them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::settings::{Setting, refusal};
use crate::container::sandbox::error::SandboxError;

/// The parent of rbuild's cgroups, unless the user names another.
const PARENT: &str = "rbuild";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    V1,
    V2,
}

/// The controllers that are available.
#[derive(Debug)]
pub struct Controllers {
    pub version: CgroupVersion,
    pub names: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Hierarchies {
    /// cgroup v1: the mount point of each controller.
    legacy: BTreeMap<String, PathBuf>,
    /// cgroup v2, if it has controllers: its mount point.
    unified: Option<PathBuf>,
    /// The mount point of each hierarchy, even without controllers.
    roots: Vec<PathBuf>,
}

/// The controllers by which limits can be set here.
pub fn controllers() -> Result<Controllers, SandboxError> {
    let hierarchies = Hierarchies::find()?;
    let names = match &hierarchies.unified {
        Some(root) => words(&root.join("cgroup.controllers")),
        None => hierarchies.legacy.keys().cloned().collect(),
    };
    Ok(Controllers { version: hierarchies.version(), names })
}

/// Why containers can't have limits here; `None` if they can.
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
        // A delegated part of the v2 tree.
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

    /// Parses the lines of proc_pid_mountinfo(5). The first mount of a controller counts.
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
        // Beside cgroup v1, v2 has no controllers.
        Self { unified: unified.filter(|_| legacy.is_empty()), legacy, roots }
    }

    /// The folders named in `/proc/PID/cgroup` whose hierarchies are mounted here.
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

    /// The parent folder for cgroups with device rules, in cgroup v1.
    pub(super) fn devices(&self, parent: Option<&str>) -> Option<PathBuf> {
        self.legacy.get("devices").map(|root| root.join(relative(parent)))
    }

    /// Creates a parent folder for cgroups below rbuild's, in cgroup v2. Returns it, and its name as a parent cgroup.
    pub(super) fn unified_below(
        &self,
        parent: Option<&str>,
        name: &Path,
    ) -> Result<(PathBuf, String), (PathBuf, io::Error)> {
        let root = self.unified.as_deref().unwrap_or(Path::new("/"));
        let below = format!("{}/{}", relative(parent), name.display());
        Ok((unified_parent(root, Some(&below))?, below))
    }

    /// The mount point of each hierarchy.
    pub(super) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    pub(super) fn version(&self) -> CgroupVersion {
        if self.unified.is_some() { CgroupVersion::V2 } else { CgroupVersion::V1 }
    }

    /// The parent folder for a cgroup with this setting.
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

    /// The parent folders for cgroups with these controllers, as far as they exist here.
    pub(super) fn parents(
        &self,
        controllers: &[&'static str],
        parent: Option<&str>,
    ) -> Result<Vec<PathBuf>, SandboxError> {
        let failed = |path: &Path, error: &io::Error| super::settings::failed("cgroup", path, error);
        if let Some(root) = &self.unified {
            let directory = unified_parent(root, parent).map_err(|(path, error)| failed(&path, &error))?;
            for controller in controllers {
                // Missing controllers can't be measured; a limit that needs one fails later.
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

    /// A parent folder for a container with a parent cgroup and no limits.
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

    /// In cgroup v1, cpuset accepts no process before both of its lists are set; they are copied from the parent.
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

/// As root, a top-level cgroup, as in docker; for an ordinary user, one in rbuild's own, if that is delegated.
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

/// Enables the setting's controller for the children of `directory`, and in all its parents.
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
