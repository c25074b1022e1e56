//! What a build may do besides building: read and write files outside the working folder, use the host's network, run
//! without confinement.
//!
//! Paths are compared by components after all links in them are resolved, for every target.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::Selection;
use crate::language::bake::error::BakeError;
use crate::language::bake::files::is_remote;
use crate::language::bake::target::Target;

/// What is allowed.
#[derive(Debug, Clone, Default)]
pub struct Entitlements {
    pub host_network: bool,
    pub insecure: bool,
    pub ssh: bool,
    pub local_delete: bool,
    pub all_devices: bool,
    pub devices: Vec<String>,
    pub read: Vec<String>,
    pub write: Vec<String>,
}

/// What is needed but not allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needed {
    pub host_network: bool,
    pub insecure: bool,
    pub ssh: bool,
    pub local_delete: bool,
    pub devices: BTreeSet<String>,
    pub read: BTreeSet<PathBuf>,
    pub write: BTreeSet<PathBuf>,
}

impl Entitlements {
    /// The values of `--allow`.
    ///
    /// # Errors
    /// If one is unknown.
    pub fn parse(texts: &[String]) -> Result<Self, BakeError> {
        let mut allowed = Self::default();
        for text in texts {
            let (key, value) = text.split_once('=').map_or((text.as_str(), None), |(key, value)| (key, Some(value)));
            let path = || value.unwrap_or_default().to_owned();
            match (key, value) {
                ("network.host", None) => allowed.host_network = true,
                ("security.insecure", None) => allowed.insecure = true,
                ("ssh", None) => allowed.ssh = true,
                ("buildx.local.delete", None) => allowed.local_delete = true,
                ("buildx.local.delete", Some(_)) => {
                    return Err(BakeError::invalid("buildx.local.delete does not accept a value"));
                }
                ("device", None | Some("")) => allowed.all_devices = true,
                ("device", Some(device)) => allowed.devices.push(first_field(device)),
                ("fs.read", _) => allowed.read.push(path()),
                ("fs.write", _) => allowed.write.push(path()),
                ("fs", _) => {
                    allowed.read.push(path());
                    allowed.write.push(path());
                }
                // Nothing needs these yet.
                ("image" | "image.push" | "image.load", _) => {}
                _ => return Err(BakeError::invalid(format!("unknown entitlement key {key:?}"))),
            }
        }
        Ok(allowed)
    }

    /// What the targets need beyond what is allowed.
    ///
    /// # Errors
    /// If a path cannot be resolved.
    pub fn missing(&self, selection: &Selection, folder: &Path) -> Result<Needed, BakeError> {
        let mut needed = Needed::default();
        let allowed_read = Allowed::new(&self.read, folder)?;
        let allowed_write = Allowed::new(&self.write, folder)?;
        for target in selection.targets.values() {
            self.add_rights(target, &mut needed);
            for path in reads(target) {
                let path = resolved(&folder.join(path))?;
                if !allowed_read.has(&path) {
                    needed.read.insert(path);
                }
            }
            for path in writes(target) {
                let path = resolved(&folder.join(path))?;
                if !allowed_write.has(&path) {
                    needed.write.insert(path);
                }
            }
        }
        Ok(needed)
    }

    fn add_rights(&self, target: &Target, needed: &mut Needed) {
        for entitlement in target.entitlements.iter().flatten() {
            match entitlement.split_once('=').map_or((entitlement.as_str(), ""), |(key, value)| (key, value)) {
                ("network.host", _) => needed.host_network |= !self.host_network,
                ("security.insecure", _) => needed.insecure |= !self.insecure,
                ("device", device) => {
                    let device = first_field(device);
                    if !self.all_devices && !self.devices.contains(&device) {
                        needed.devices.insert(device);
                    }
                }
                _ => {}
            }
        }
        let deletes = |attributes: &std::collections::BTreeMap<String, String>| {
            attributes.get("mode").is_some_and(|mode| mode == "delete")
        };
        let mut outputs = target.outputs.iter().flatten();
        needed.local_delete |=
            !self.local_delete && outputs.any(|output| output.kind == "local" && deletes(&output.attributes));
        needed.ssh |= !self.ssh && target.ssh.iter().flatten().any(|agent| agent.paths.is_empty());
    }
}

impl Needed {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Without files, if they are not checked.
    pub fn without_files(mut self) -> Self {
        self.read.clear();
        self.write.clear();
        self.ssh = false;
        self
    }

    /// The options that would allow it.
    pub fn options(&self, folder: &Path) -> Vec<String> {
        let mut options = Vec::new();
        for (is_needed, name) in [
            (self.host_network, "network.host"),
            (self.insecure, "security.insecure"),
            (self.local_delete, "buildx.local.delete"),
            (self.ssh, "ssh"),
        ] {
            if is_needed {
                options.push(format!("--allow={name}"));
            }
        }
        for device in &self.devices {
            let value = if device.is_empty() { String::new() } else { format!("={device}") };
            options.push(format!("--allow=device{value}"));
        }
        let relative = |path: &Path| short(path, folder);
        let both: BTreeSet<&PathBuf> = self.read.intersection(&self.write).collect();
        options.extend(both.iter().map(|path| format!("--allow=fs={}", relative(path))));
        let only = |paths: &BTreeSet<PathBuf>, key: &str| -> Vec<String> {
            let rest = paths.iter().filter(|path| !both.contains(path));
            rest.map(|path| format!("--allow={key}={}", relative(path))).collect()
        };
        options.extend(only(&self.read, "fs.read"));
        options.extend(only(&self.write, "fs.write"));
        options
    }
}

fn first_field(text: &str) -> String {
    text.split(',').next().unwrap_or_default().to_owned()
}

/// A path beside or below the folder, relative to it.
fn short(path: &Path, folder: &Path) -> String {
    if let Ok(below) = path.strip_prefix(folder) {
        return if below.as_os_str().is_empty() { ".".to_owned() } else { below.display().to_string() };
    }
    if let Some(Ok(beside)) = folder.parent().map(|parent| path.strip_prefix(parent)) {
        return Path::new("..").join(beside).display().to_string();
    }
    path.display().to_string()
}

fn local(text: &str) -> Option<String> {
    let has_scheme = ["target:", "docker-image:", "oci-layout:"].iter().any(|scheme| text.starts_with(scheme));
    if has_scheme || is_remote(text) {
        return None;
    }
    Some(text.strip_prefix("cwd://").unwrap_or(text).to_owned())
}

/// The paths that a target's build reads.
fn reads(target: &Target) -> Vec<String> {
    let context = target.local_context();
    let mut paths: Vec<String> = target.contexts.values().filter_map(|context| local(context)).collect();
    let folder = local(context);
    let dockerfile = target.dockerfile.as_deref().unwrap_or("Dockerfile");
    match (dockerfile.strip_prefix("cwd://"), &folder) {
        (Some(path), _) => paths.push(path.to_owned()),
        (None, Some(folder)) if !is_remote(dockerfile) => {
            paths.push(Path::new(folder).join(dockerfile).display().to_string());
        }
        (None, _) => {}
    }
    paths.extend(folder);
    let caches = target.cache_from.iter().flatten().filter(|entry| entry.kind == "local");
    paths.extend(caches.filter_map(|entry| entry.attributes.get("src").cloned()));
    let secrets = target.secrets.iter().flatten().map(|secret| secret.source.clone());
    paths.extend(secrets.filter(|path| !path.is_empty()));
    paths.extend(target.ssh.iter().flatten().flat_map(|agent| agent.paths.clone()));
    paths
}

/// The paths that a target's build writes.
fn writes(target: &Target) -> Vec<String> {
    let caches = target.cache_to.iter().flatten().filter(|entry| entry.kind == "local");
    let mut paths: Vec<String> = caches.filter_map(|entry| entry.attributes.get("dest").cloned()).collect();
    let destinations = target.outputs.iter().flatten().map(|output| output.destination.clone());
    paths.extend(destinations.filter(|path| !path.is_empty() && path != "-"));
    paths
}

/// Folders, including everything below.
struct Allowed {
    everything: bool,
    folders: Vec<PathBuf>,
}

impl Allowed {
    fn new(paths: &[String], folder: &Path) -> Result<Self, BakeError> {
        let everything = paths.iter().any(|path| path == "*");
        let folders = paths.iter().filter(|path| *path != "*").map(|path| resolved(&folder.join(path)));
        Ok(Self { everything, folders: folders.collect::<Result<_, _>>()? })
    }

    fn has(&self, path: &Path) -> bool {
        self.everything || self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

/// Resolves all links of the existing part of the path; the missing part is kept, with its dots resolved.
fn resolved(path: &Path) -> Result<PathBuf, BakeError> {
    let mut known = path.to_owned();
    let mut rest: Vec<std::ffi::OsString> = Vec::new();
    loop {
        match std::fs::canonicalize(&known) {
            Ok(found) => {
                let mut whole = found;
                for part in rest.into_iter().rev() {
                    match Path::new(&part).components().next() {
                        Some(Component::ParentDir) => _ = whole.pop(),
                        Some(Component::CurDir) | None => {}
                        Some(_) => whole.push(part),
                    }
                }
                return Ok(whole);
            }
            Err(error) if matches!(error.raw_os_error(), Some(libc_enoent) if libc_enoent == NOT_FOUND) => {
                // A dangling link leads somewhere, too.
                if let Ok(target) = std::fs::read_link(&known) {
                    rest_limit(&rest)?;
                    known = known.parent().unwrap_or(Path::new("/")).join(target);
                    rest.push(".".into());
                    continue;
                }
                let last = known.components().next_back().map(|part| part.as_os_str().to_owned());
                match (last, known.parent()) {
                    (Some(last), Some(parent)) => {
                        rest.push(last);
                        known = parent.to_owned();
                    }
                    _ => return Ok(path.to_owned()),
                }
            }
            Err(error) => {
                return Err(BakeError::Path { path: path.to_owned(), what: error.to_string() });
            }
        }
    }
}

const NOT_FOUND: i32 = 2;
/// As many links as the kernel follows, and more components than a path can have.
const MAX_PARTS: usize = 4200;

fn rest_limit(rest: &[std::ffi::OsString]) -> Result<(), BakeError> {
    if rest.len() > MAX_PARTS {
        return Err(BakeError::invalid("too many levels of symbolic links"));
    }
    Ok(())
}
