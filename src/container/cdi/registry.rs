//! All devices that the host describes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::spec::{Edits, Spec};
use super::{CdiError, yaml};
use crate::base::boolean;
use crate::base::io_error::{AtPath, chain};
use crate::base::privacy;

/// Where specifications are; later folders override earlier ones.
pub const FOLDERS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
/// The mode bits that let the group or others write.
const OTHERS_MAY_WRITE: u32 = 0o022;
/// The annotation by which BuildKit groups devices into a class.
const CLASS: &str = "org.mobyproject.buildkit.device.class";
/// A device with this annotation needs no `--allow`.
const AUTO_ALLOW: &str = "org.mobyproject.buildkit.device.autoallow";

/// A device and what a container needs to use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// `vendor.com/class=name`
    pub name: String,
    pub annotations: BTreeMap<String, String>,
    /// Only for this device.
    edits: Edits,
    /// Once for each container that gets any device of this specification.
    common: Edits,
    file: PathBuf,
    /// Another file of the same folder that specifies the same device.
    conflict: Option<PathBuf>,
}

/// The devices of this host, by name.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    devices: BTreeMap<String, Device>,
    /// Why specifications could not be read. Only reported when a device is not found.
    broken: Vec<String>,
}

impl Device {
    /// Whether builds get it without `--allow`.
    pub fn is_always_allowed(&self) -> bool {
        self.annotations.get(AUTO_ALLOW).is_some_and(|value| boolean(value) == Some(true))
    }

    /// `vendor.com/class`
    pub fn kind(&self) -> &str {
        self.name.split('=').next().unwrap_or_default()
    }
}

impl Registry {
    /// The devices specified in the usual folders.
    pub fn read() -> Result<Self, CdiError> {
        Self::read_folders(&FOLDERS.map(Path::new))
    }

    /// The devices specified in the folders; a missing folder is ignored.
    pub fn read_folders(folders: &[&Path]) -> Result<Self, CdiError> {
        let mut registry = Self::default();
        for folder in folders {
            let mut here = BTreeMap::new();
            let files = match description_files(folder) {
                // None of its devices can be used; those of other specifications can.
                Err(error @ (CdiError::Writable { .. } | CdiError::Foreign { .. })) => {
                    registry.broken.push(chain(&error));
                    continue;
                }
                files => files?,
            };
            for path in files {
                match read_description(&path) {
                    Ok(devices) => devices.into_iter().for_each(|device| add(&mut here, device)),
                    Err(error) => registry.broken.push(chain(&error)),
                }
            }
            registry.devices.extend(here);
        }
        Ok(registry)
    }

    /// The requested devices: `VENDOR/CLASS=NAME` is one device (or those with that class annotation), `VENDOR/CLASS=*`
    /// all of a kind, `VENDOR/CLASS` the first one.
    pub fn find(&self, request: &str) -> Result<Vec<&Device>, CdiError> {
        let (kind, name) = match request.split_once('=') {
            Some((kind, name)) => (kind, Some(name)),
            None => (request, None),
        };
        if !is_kind(kind) {
            return Err(CdiError::Name { name: request.to_owned() });
        }
        let of_kind = || self.devices.values().filter(|device| device.kind() == kind);
        let found: Vec<&Device> = match name {
            None => of_kind().take(1).collect(),
            Some("*") => of_kind().collect(),
            Some(name) => match self.devices.get(request) {
                Some(device) => vec![device],
                None => of_kind()
                    .filter(|device| device.annotations.get(CLASS).is_some_and(|class| class == name))
                    .collect(),
            },
        };
        if found.is_empty() {
            let mut known: Vec<String> = of_kind().map(|device| device.name.clone()).collect();
            if known.is_empty() {
                known = self.devices.keys().cloned().collect();
            }
            return Err(CdiError::Unknown { name: request.to_owned(), known, broken: self.broken.clone() });
        }
        match found.iter().find(|device| device.conflict.is_some()) {
            Some(Device { name, file, conflict: Some(other), .. }) => {
                Err(CdiError::Conflict { name: name.clone(), first: file.clone(), second: other.clone() })
            }
            _ => Ok(found),
        }
    }

    /// What a container needs for all these devices; what a specification has for all its devices is applied once.
    /// Unsupported edits are an error.
    pub fn edits(devices: &[&Device]) -> Result<Edits, CdiError> {
        let mut edits = Edits::default();
        let mut files: Vec<&Path> = Vec::new();
        for device in devices {
            if !files.contains(&device.file.as_path()) {
                files.push(&device.file);
                edits.extend(&device.common);
            }
            edits.extend(&device.edits);
            if let Some(what) = edits.unsupported() {
                return Err(CdiError::Unsupported { name: device.name.clone(), what });
            }
        }
        Ok(edits)
    }
}

/// Whether the text is a device's full name: `run --device` also takes paths.
pub fn is_qualified_name(text: &str) -> bool {
    text.split_once('=').is_some_and(|(kind, name)| is_kind(kind) && !name.is_empty())
}

/// `vendor.com/class`: letters, digits, `_`, `-` and `.`, starting with a letter.
fn is_kind(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic())
            && word.ends_with(|last: char| last.is_ascii_alphanumeric())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    text.split_once('/').is_some_and(|(vendor, class)| is_word(vendor) && is_word(class))
}

fn add(devices: &mut BTreeMap<String, Device>, device: Device) {
    match devices.get_mut(&device.name) {
        Some(other) => other.conflict = Some(device.file),
        None => {
            devices.insert(device.name.clone(), device);
        }
    }
}

/// Sorted by name, so that the first device of a kind is always the same.
fn description_files(folder: &Path) -> Result<Vec<PathBuf>, CdiError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.at("read", folder)?,
    };
    check_writers(folder, &std::fs::metadata(folder).at("read", folder)?)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.at("read", folder)?.path();
        if path.extension().is_some_and(|extension| extension == "json" || is_yaml(extension)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_yaml(extension: &OsStr) -> bool {
    extension == "yaml" || extension == "yml"
}

/// The size limit of a specification: it is read whole.
const MOST_BYTES: u64 = 16 << 20;

/// A specification says what is mounted and executed: it is only trusted if nobody but root or this user can have
/// written it. The opened file is checked, so that it can't be replaced.
fn read_trusted(path: &Path) -> Result<Vec<u8>, CdiError> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).at("read", path)?;
    let file = std::fs::File::from(opened);
    let metadata = file.metadata().at("read", path)?;
    check_writers(path, &metadata)?;
    let wrong = |reason: &str| CdiError::Content { path: path.to_owned(), reason: reason.to_owned() };
    if !metadata.is_file() {
        return Err(wrong("it is not a regular file"));
    }
    let mut text = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut text).at("read", path)?;
    if text.len() as u64 > MOST_BYTES { Err(wrong("it has more than 16 MiB")) } else { Ok(text) }
}

/// Refuses files that belong to, or can be written by, anyone but root and this user.
fn check_writers(path: &Path, metadata: &Metadata) -> Result<(), CdiError> {
    let owner = metadata.uid();
    let is_trusted = privacy::is_trusted(owner);
    let shared = metadata.mode() & OTHERS_MAY_WRITE;
    // In a folder with the sticky bit nobody can replace the files of others, but anybody can add files.
    if is_trusted && shared == 0 {
        return Ok(());
    }
    let path = path.to_owned();
    Err(if is_trusted {
        CdiError::Writable { path, mode: metadata.mode() & 0o7777 }
    } else {
        CdiError::Foreign { path, owner }
    })
}

fn read_description(path: &Path) -> Result<Vec<Device>, CdiError> {
    let text = read_trusted(path)?;
    let wrong_content = |reason| CdiError::Content { path: path.to_owned(), reason };
    let parsed = if path.extension().is_some_and(is_yaml) {
        let text = String::from_utf8(text).map_err(|_| wrong_content("it is not UTF-8".to_owned()))?;
        serde_json::from_value(yaml::read(&text).map_err(wrong_content)?)
    } else {
        serde_json::from_slice(&text)
    };
    let spec: Spec = parsed.map_err(|source| CdiError::Format { path: path.to_owned(), source })?;
    if !is_kind(&spec.kind) || spec.cdi_version.is_empty() {
        let reason = if spec.cdi_version.is_empty() {
            "it has no cdiVersion".to_owned()
        } else {
            format!("`{}` is not a valid kind", spec.kind)
        };
        return Err(CdiError::Content { path: path.to_owned(), reason });
    }
    let device = |device: &super::spec::SpecDevice| {
        let annotations = spec.annotations.iter().chain(&device.annotations);
        Device {
            name: format!("{}={}", spec.kind, device.name),
            annotations: annotations.map(|(key, value)| (key.clone(), text_of(value))).collect(),
            edits: device.container_edits.clone(),
            common: spec.container_edits.clone(),
            file: path.to_owned(),
            conflict: None,
        }
    };
    Ok(spec.devices.iter().map(device).collect())
}

/// A value that should be a string; users also write `true`.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(files: &[(&str, &str)]) -> Result<Registry, CdiError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Registry::read_folders(&[&folder.path().join("etc"), &folder.path().join("run")])
    }

    const GPUS: &str = r#"{"cdiVersion": "0.6.0", "kind": "vendor.com/gpu",
        "containerEdits": {"env": ["ALL=1"], "mounts": [
            {"hostPath": "/lib/x", "containerPath": "/usr/lib/x", "options": ["ro", "rbind"]}]},
        "devices": [
            {"name": "0", "annotations": {"org.mobyproject.buildkit.device.autoallow": true},
             "containerEdits": {"deviceNodes": [{"path": "/dev/gpu0", "hostPath": "/dev/null", "fileMode": 384}]}},
            {"name": "1", "annotations": {"org.mobyproject.buildkit.device.class": "big"},
             "containerEdits": {"env": ["ONE=1"], "additionalGids": [7]}}]}"#;

    /// A specification that others may have written is ignored, and the error for a missing device says why.
    #[test]
    fn a_description_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        for (folder_mode, file_mode, is_refused) in [
            (0o755, 0o644, false),
            (0o775, 0o644, true),
            (0o757, 0o644, true),
            (0o1777, 0o644, true),
            (0o755, 0o664, true),
            (0o755, 0o646, true),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("a.json");
            std::fs::write(&file, GPUS).unwrap();
            for (path, mode) in [(file.as_path(), file_mode), (folder.path(), folder_mode)] {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            let registry = Registry::read_folders(&[folder.path()]).unwrap();
            let found = registry.find("vendor.com/gpu=1");
            assert_eq!(found.is_err(), is_refused, "{folder_mode:o} {file_mode:o}");
            let is_said =
                registry.broken.iter().any(|reason| reason.contains("users other than its owner may write to"));
            assert_eq!(is_said, is_refused, "{:?}", registry.broken);
        }
    }

    #[test]
    fn a_request_means_one_device_or_several() {
        let registry = registry(&[("etc/a.json", GPUS), ("etc/notes.txt", "x")]).unwrap();
        let names = |request: &str| {
            let found = registry.find(request).unwrap();
            found.iter().map(|device| device.name.as_str()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("vendor.com/gpu=1"), "vendor.com/gpu=1");
        assert_eq!(names("vendor.com/gpu"), "vendor.com/gpu=0");
        assert_eq!(names("vendor.com/gpu=*"), "vendor.com/gpu=0 vendor.com/gpu=1");
        assert_eq!(names("vendor.com/gpu=big"), "vendor.com/gpu=1");
        let found = registry.find("vendor.com/gpu=*").unwrap();
        assert!(found[0].is_always_allowed() && !found[1].is_always_allowed());
        let edits = Registry::edits(&found).unwrap();
        assert_eq!(edits.env, ["ALL=1", "ONE=1"]);
        assert_eq!((edits.mounts.len(), edits.additional_gids.as_slice()), (1, [7].as_slice()));
        assert!(edits.mounts[0].is_read_only() && edits.mounts[0].is_recursive());
        assert_eq!(edits.device_nodes[0].host(), Path::new("/dev/null"));
        assert!(matches!(registry.find("vendor.com/gpu=2"), Err(CdiError::Unknown { known, .. }) if known.len() == 2));
        assert!(matches!(registry.find("/dev/fuse"), Err(CdiError::Name { .. })));
    }

    #[test]
    fn a_later_folder_counts_and_two_files_of_one_contradict_each_other() {
        let other = |name: &str, value: &str| {
            format!(
                r#"{{"cdiVersion": "0.6.0", "kind": "a.b/c", "devices": [
                    {{"name": "{name}", "containerEdits": {{"env": ["V={value}"]}}}}]}}"#
            )
        };
        let texts = [other("x", "1"), other("x", "2"), other("y", "1")];
        let registry = registry(&[
            ("etc/1.json", &texts[0]),
            ("run/1.json", &texts[1]),
            ("etc/2.json", &texts[2]),
            ("etc/3.json", &texts[2]),
        ])
        .unwrap();
        assert_eq!(Registry::edits(&registry.find("a.b/c=x").unwrap()).unwrap().env, ["V=2"]);
        assert!(matches!(registry.find("a.b/c=y"), Err(CdiError::Conflict { .. })));
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let text = r#"{"cdiVersion": "0.6.0", "kind": "a.b/c", "devices": [
            {"name": "x", "containerEdits": {"hooks": [{"hookName": "createContainer", "path": "/bin/h"}]}}]}"#;
        let registry = registry(&[("etc/1.json", text)]).unwrap();
        let error = Registry::edits(&registry.find("a.b/c=x").unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the device `a.b/c=x` needs the createContainer hook `/bin/h`, which rbuild does not support"
        );
    }

    #[test]
    fn a_file_that_is_no_description_is_named_to_who_misses_a_device() {
        for text in ["{", r#"{"kind": "a.b/c", "devices": []}"#, r#"{"cdiVersion": "1", "kind": "c", "devices": []}"#] {
            let registry = registry(&[("etc/1.json", text), ("etc/2.json", GPUS)]).unwrap();
            assert!(registry.find("vendor.com/gpu=0").is_ok());
            let error = registry.find("a.b/c=x").unwrap_err();
            assert!(error.hint().unwrap().contains("1.json"), "{text}: {:?}", error.hint());
        }
    }

    #[test]
    fn full_names_are_told_from_paths() {
        for name in ["vendor.com/class=name", "nvidia.com/gpu=all", "a/b=c"] {
            assert!(is_qualified_name(name), "{name}");
        }
        for name in ["/dev/fuse", "/dev/a=b", "vendor.com/class", "a=b", "a/b=", "/dev/x:/dev/y:rw"] {
            assert!(!is_qualified_name(name), "{name}");
        }
    }

    #[test]
    fn descriptions_are_json_or_yaml() {
        let text = "cdiVersion: 0.6.0\nkind: vendor.com/nic\ndevices: [{name: '0', containerEdits: {env: [NIC=1]}}]\n";
        let registry = registry(&[("etc/a.yaml", text), ("run/b.yml", &text.replace("nic", "disk"))]).unwrap();
        assert_eq!(registry.find("vendor.com/nic=0").unwrap()[0].edits.env, ["NIC=1"]);
        assert!(registry.find("vendor.com/disk=0").is_ok());
    }
}
