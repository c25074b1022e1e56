//! Parses mounts: docker's `Mounts`, and the short forms of `-v` and `--tmpfs`, as in its `Binds` and `Tmpfs`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{RequestError, WrongVolume};
use crate::base::bytes;
use crate::container::sandbox::TmpfsOptions;
use crate::container::volume::VolumeError;
use crate::container::{ContainerError, MountKind, MountPoint, ReadOnlyDepth};

/// Propagation modes (mount_namespaces(7)).
pub const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/// Whether `-v` only names the path of an anonymous volume. docker takes a single letter before a colon for the start
/// of a path, as on Windows; and text with two letters is a path.
pub fn is_place(text: &str) -> bool {
    let mut letters = text.chars();
    let has_drive = letters.next().is_some_and(char::is_alphabetic) && letters.next() == Some(':');
    let rest = if has_drive { letters.as_str() } else { text };
    !text.is_empty() && (text.len() <= 2 || !rest.contains(':'))
}

/// The files of /proc that may be mounted over, for programs such as lxcfs; others must be the kernel's.
const COVERED_IN_PROC: [&str; 10] = [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
];

/// Refuses mount points in `/proc` that must be the kernel's.
pub fn check_place(mount: &MountPoint) -> Result<(), RequestError> {
    let Ok(within) = mount.destination.strip_prefix("/proc") else { return Ok(()) };
    let is_proc =
        |path: &Path| rustix::fs::statfs(path).is_ok_and(|found| found.f_type == rustix::fs::PROC_SUPER_MAGIC);
    let is_allowed = match within.to_str() {
        Some("") => mount.kind == MountKind::Bind && is_proc(&mount.source),
        Some(within) => COVERED_IN_PROC.contains(&within),
        None => false,
    };
    if is_allowed {
        return Ok(());
    }
    let place = mount.destination.display();
    Err(RequestError::refused(format!("`{place}` cannot be mounted because it is inside /proc")))
}

/// `TARGET`, `SOURCE:TARGET` or `SOURCE:TARGET:OPTIONS`.
pub fn volume(text: &str, driver: &str) -> Result<MountPoint, RequestError> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_name = parts.first().is_some_and(|source| host_path(source).is_none());
    let wrong = |wrong: WrongVolume| RequestError::BadVolume { spec: text.to_owned(), wrong, is_name };
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return Err(wrong(WrongVolume::Form)),
    };
    if parts.iter().any(|part| part.is_empty()) {
        return Err(wrong(WrongVolume::EmptySection));
    }
    let path = source.and_then(host_path);
    let mut mount = MountPoint {
        destination: absolute(target).ok_or_else(|| match target {
            "/" => wrong(WrongVolume::Root),
            target => wrong(WrongVolume::Relative(target.to_owned())),
        })?,
        mode: options.to_owned(),
        writable: true,
        ..MountPoint::default()
    };
    if parts.len() > 2 {
        check_mode(options).ok_or_else(|| wrong(WrongVolume::Mode(options.to_owned())))?;
    }
    for option in options.split(',') {
        match option {
            "ro" | "readonly" => mount.writable = false,
            "rw" => mount.writable = true,
            "rbind" if path.is_some() => mount.non_recursive = false,
            "bind" if path.is_some() => mount.non_recursive = true,
            "nocopy" if path.is_none() => mount.volume.no_copy = true,
            option if PROPAGATIONS.contains(&option) && path.is_some() => mount.propagation = option.to_owned(),
            // Labels without SELinux, and options that only matter in docker's virtual machines on other systems, have
            // no effect in docker either.
            "" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            _ => return Err(wrong(WrongVolume::Mode(options.to_owned()))),
        }
    }
    match (source, path) {
        (_, Some(path)) => {
            if mount.propagation.is_empty() {
                mount.propagation = "rprivate".to_owned();
            }
            Ok(MountPoint { source: path, create_source: true, ..mount })
        }
        (name, None) => {
            let name = name.unwrap_or_default().to_owned();
            check_volume_name(&name)?;
            if mount.mode.is_empty() && !name.is_empty() {
                // docker's mode for a volume that may be shared.
                mount.mode = "z".to_owned();
            }
            Ok(MountPoint { kind: MountKind::Volume, name, driver: driver.to_owned(), ..mount })
        }
    }
}

/// At most one option of each kind.
fn check_mode(options: &str) -> Option<()> {
    let kind = |option: &str| match option {
        "ro" | "readonly" | "rw" => "access",
        "z" | "Z" => "label",
        "bind" | "rbind" => "depth",
        "cached" | "delegated" | "consistent" => "consistency",
        "nocopy" => "copy",
        option if PROPAGATIONS.contains(&option) => "propagation",
        _ => "",
    };
    let kinds: Vec<&str> = options.split(',').map(kind).collect();
    let is_once = |(index, kind): (usize, &&str)| !kind.is_empty() && !kinds[..index].contains(kind);
    kinds.iter().enumerate().all(is_once).then_some(())
}

/// Reported before anything is created.
pub fn check_volume_name(name: &str) -> Result<(), RequestError> {
    let is_letter = |c: char| c.is_ascii_alphanumeric();
    let is_rest = |c: char| is_letter(c) || matches!(c, '_' | '.' | '-');
    if name.is_empty() || (name.len() > 1 && name.starts_with(is_letter) && name.chars().all(is_rest)) {
        return Ok(());
    }
    Err(ContainerError::from(VolumeError::BadName { name: name.to_owned() }).into())
}

/// `TARGET` or `TARGET:OPTIONS`, with the options of tmpfs(5) and mount(8).
pub fn memory(text: &str) -> Result<MountPoint, RequestError> {
    let wrong = |message: &str| RequestError::refused(format!("invalid --tmpfs `{text}`: {message}"));
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut tmpfs = TmpfsOptions { no_exec: true, ..TmpfsOptions::default() };
    let mut read_only = false;
    let mut added = Vec::new();
    let mut more = |key: &str, value: Option<&str>| added.push((key.to_owned(), value.map(str::to_owned)));
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let number = || value.parse::<u32>().map_err(|_| wrong(&format!("`{key}` is a number")));
        match key {
            "size" if value.ends_with('%') => more(key, Some(value)),
            "size" => tmpfs.size = Some(bytes(value).map_err(|message| wrong(&message))?),
            "mode" => tmpfs.mode = u32::from_str_radix(value, 8).map_err(|_| wrong("`mode` is octal"))?,
            "uid" => tmpfs.uid = number()?,
            "gid" => tmpfs.gid = number()?,
            "ro" => read_only = true,
            "rw" => read_only = false,
            "exec" => tmpfs.no_exec = false,
            "noexec" => tmpfs.no_exec = true,
            "nr_inodes" | "nr_blocks" | "mpol" if !value.is_empty() => more(key, Some(value)),
            "noatime" | "nodiratime" | "strictatime" | "sync" | "dirsync" if value.is_empty() => more(key, None),
            // These are defaults.
            "nosuid" | "nodev" | "defaults" | "async" | "atime" | "diratime" | "relatime" | "nomand"
            | "nostrictatime" => {}
            "suid" | "dev" => return Err(wrong(&format!("rbuild mounts no memory with `{key}` in a container"))),
            other => return Err(wrong(&format!("invalid tmpfs option `{other}`"))),
        }
    }
    tmpfs.more = added;
    let target = absolute(target).ok_or_else(|| wrong("the target must be absolute"))?;
    Ok(MountPoint {
        kind: MountKind::Tmpfs,
        destination: target,
        writable: !read_only,
        tmpfs: Some(tmpfs),
        unlisted: true,
        ..MountPoint::default()
    })
}

/// A path on the host: absolute, or starting with a dot. Anything else is a volume's name.
pub fn host_path(text: &str) -> Option<PathBuf> {
    if text.starts_with('/') || text == "." || text == ".." || text.starts_with("./") || text.starts_with("../") {
        std::path::absolute(text).ok()
    } else {
        None
    }
}

/// An absolute path other than the root, cleaned.
pub fn absolute(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    (path.is_absolute() && path != Path::new("/")).then(|| path.components().collect())
}

/// docker's `Mount`, as clients send it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Typed {
    #[serde(rename = "Type")]
    kind: String,
    source: String,
    target: String,
    read_only: bool,
    bind_options: BindOptions,
    volume_options: VolumeOptions,
    tmpfs_options: MemoryOptions,
    image_options: ImageOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BindOptions {
    propagation: String,
    non_recursive: bool,
    create_mountpoint: bool,
    read_only_non_recursive: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VolumeOptions {
    no_copy: bool,
    labels: std::collections::BTreeMap<String, String>,
    subpath: String,
    driver_config: DriverConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DriverConfig {
    name: String,
    options: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct MemoryOptions {
    size_bytes: u64,
    mode: u32,
    /// Words of mount(8), each with its value if it has one.
    options: Vec<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ImageOptions {
    subpath: String,
}

/// Kinds of mounts, and the options that each of them alone may have.
const MOUNT_KINDS: [(&str, &str); 4] =
    [("bind", "BindOptions"), ("volume", "VolumeOptions"), ("tmpfs", "TmpfsOptions"), ("image", "ImageOptions")];

/// Whether a path does not stay in what it is relative to.
fn is_outside(subpath: &str) -> bool {
    subpath.starts_with('/') || subpath.split('/').any(|part| part == "..")
}

/// Parses an entry of docker's `Mounts`.
pub fn mount_of(value: &Value) -> Result<MountPoint, RequestError> {
    let typed = Typed::deserialize(value).map_err(|error| RequestError::refused(format!("invalid mount: {error}")))?;
    let kind = typed.kind.as_str();
    if !MOUNT_KINDS.iter().any(|(known, _)| *known == kind) {
        return Err(wrong(format!("\"{kind}\": mount type unknown")));
    }
    for (_, options) in MOUNT_KINDS.iter().filter(|(of, _)| *of != kind) {
        if value.get(options).is_some_and(|options| !options.is_null()) {
            return Err(RequestError::refused(format!("{options} must not be specified on mount type \"{kind}\"")));
        }
    }
    let destination = absolute(&typed.target).ok_or_else(|| match typed.target.as_str() {
        "" => wrong(format!("\"{kind}\": field Target must not be empty")),
        "/" => wrong(format!("\"{kind}\": invalid specification: destination can't be '/'")),
        target => wrong(format!("\"{kind}\": invalid mount path: '{target}' mount path must be absolute")),
    })?;
    let plain = MountPoint { destination, writable: !typed.read_only, ..MountPoint::default() };
    match kind {
        "bind" => bind(typed, plain),
        "volume" => named_volume(typed, plain),
        "tmpfs" => tmpfs(&typed, plain),
        "image" => image(typed, plain),
        other => Err(wrong(format!("\"{other}\": mount type unknown"))),
    }
}

fn wrong(text: impl std::fmt::Display) -> RequestError {
    RequestError::refused(format!("invalid mount config for type {text}"))
}

fn bind(typed: Typed, plain: MountPoint) -> Result<MountPoint, RequestError> {
    let options = typed.bind_options;
    if typed.source.is_empty() {
        return Err(wrong("\"bind\": field Source must not be empty"));
    }
    if !typed.source.starts_with('/') {
        let text = format!("\"bind\": invalid mount path: '{}' mount path must be absolute", typed.source);
        return Err(wrong(text));
    }
    if !options.propagation.is_empty() && !PROPAGATIONS.contains(&options.propagation.as_str()) {
        return Err(wrong(format!("\"bind\": invalid propagation mode: {}", options.propagation)));
    }
    let source = PathBuf::from(&typed.source);
    if !options.create_mountpoint && !source.exists() {
        return Err(wrong(format!("\"bind\": bind source path does not exist: {}", typed.source)));
    }
    let usual = || "rprivate".to_owned();
    Ok(MountPoint {
        source,
        create_source: options.create_mountpoint,
        propagation: Some(options.propagation).filter(|mode| !mode.is_empty()).unwrap_or_else(usual),
        non_recursive: options.non_recursive,
        read_only_depth: match options.read_only_non_recursive {
            true => ReadOnlyDepth::Shallow,
            false => ReadOnlyDepth::Recursive,
        },
        ..plain
    })
}

fn named_volume(typed: Typed, plain: MountPoint) -> Result<MountPoint, RequestError> {
    check_volume_name(&typed.source)?;
    if typed.source.is_empty() && typed.read_only {
        return Err(wrong("\"volume\": must not set ReadOnly mode when using anonymous volumes"));
    }
    let VolumeOptions { no_copy, labels, subpath, driver_config } = typed.volume_options;
    if is_outside(&subpath) {
        return Err(wrong("\"volume\": subpath must be a relative path within the volume"));
    }
    let driver = if driver_config.name.is_empty() { "local".to_owned() } else { driver_config.name };
    let volume = crate::container::VolumeUse { no_copy, subpath, options: driver_config.options, labels };
    Ok(MountPoint { kind: MountKind::Volume, name: typed.source, driver, volume, mode: "z".to_owned(), ..plain })
}

fn tmpfs(typed: &Typed, plain: MountPoint) -> Result<MountPoint, RequestError> {
    if !typed.source.is_empty() {
        return Err(wrong("\"tmpfs\": field Source must not be specified"));
    }
    let MemoryOptions { size_bytes, mode, options } = &typed.tmpfs_options;
    let mut usual = TmpfsOptions { no_exec: true, ..TmpfsOptions::default() };
    for option in options {
        match option.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["exec"] => usual.no_exec = false,
            ["noexec"] => usual.no_exec = true,
            ref other => {
                let name = other.first().copied().unwrap_or_default();
                return Err(wrong(format!("\"tmpfs\": invalid option: {name}")));
            }
        }
    }
    let tmpfs = TmpfsOptions {
        size: Some(*size_bytes).filter(|size| *size > 0),
        mode: if *mode == 0 { usual.mode } else { *mode },
        ..usual
    };
    Ok(MountPoint { kind: MountKind::Tmpfs, tmpfs: Some(tmpfs), ..plain })
}

fn image(typed: Typed, plain: MountPoint) -> Result<MountPoint, RequestError> {
    if typed.source.is_empty() {
        return Err(wrong("\"image\": it needs a source, the image's name"));
    }
    let subpath = typed.image_options.subpath;
    if is_outside(&subpath) {
        return Err(wrong("\"image\": image-subpath is a relative path within the image"));
    }
    let image = crate::container::MountedImage { subpath, ..Default::default() };
    Ok(MountPoint { kind: MountKind::Image, name: typed.source, writable: false, image, ..plain })
}

/// As an entry of docker's `HostConfig.Mounts`.
pub fn describe_mount(mount: &MountPoint) -> Value {
    let mut fields = Map::new();
    let (kind, source) = match mount.kind {
        MountKind::Bind => ("bind", mount.source.display().to_string()),
        MountKind::Volume => ("volume", mount.name.clone()),
        MountKind::Tmpfs => ("tmpfs", String::new()),
        MountKind::Image => ("image", mount.name.clone()),
    };
    fields.insert("Type".to_owned(), json!(kind));
    if !source.is_empty() {
        fields.insert("Source".to_owned(), json!(source));
    }
    fields.insert("Target".to_owned(), json!(mount.destination));
    if !mount.writable && mount.kind != MountKind::Image {
        fields.insert("ReadOnly".to_owned(), json!(true));
    }
    match mount.kind {
        MountKind::Bind if mount.propagation != "rprivate" || mount.non_recursive => {
            fields.insert(
                "BindOptions".to_owned(),
                json!({"Propagation": mount.propagation, "NonRecursive": mount.non_recursive}),
            );
        }
        MountKind::Volume => {
            let used = &mount.volume;
            let driver = json!({"Name": mount.driver, "Options": used.options});
            let options =
                json!({"NoCopy": used.no_copy, "Labels": used.labels, "Subpath": used.subpath, "DriverConfig": driver});
            fields.insert("VolumeOptions".to_owned(), options);
        }
        MountKind::Tmpfs => {
            if let Some(options) = &mount.tmpfs {
                let options = json!({"SizeBytes": options.size, "Mode": options.mode});
                fields.insert("TmpfsOptions".to_owned(), options);
            }
        }
        MountKind::Image if !mount.image.subpath.is_empty() => {
            fields.insert("ImageOptions".to_owned(), json!({"Subpath": mount.image.subpath}));
        }
        MountKind::Bind | MountKind::Image => {}
    }
    Value::Object(fields)
}
