//! `-v` and `--tmpfs`: what is mounted where. `--mount` is in `typed_mounts`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::arguments::Storage;
use super::typed_mounts;
use crate::base::bytes;
use crate::cli::CliError;
use crate::container::sandbox::TmpfsOptions;
use crate::container::{MountKind, MountPoint};

pub(super) const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/// All mounts, those of `-v` first.
pub(super) fn all(storage: &Storage) -> Result<Vec<MountPoint>, CliError> {
    let driver = storage.volume_driver.as_deref().filter(|driver| !driver.is_empty()).unwrap_or("local");
    let volumes = storage.volume.iter().filter(|text| !is_place(text)).map(|text| volume(text, driver));
    let mounts = storage.mount.iter().map(|text| typed_mounts::mount(text, driver));
    let tmpfs = storage.tmpfs.iter().map(|text| memory(text));
    let all: Vec<MountPoint> = volumes.chain(mounts).chain(tmpfs).collect::<Result<_, _>>()?;
    for mount in &all {
        check_place(mount)?;
    }
    for (index, mount) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.destination == mount.destination) {
            return Err(CliError::new(format!("duplicate mount point: {}", mount.destination.display())));
        }
    }
    Ok(all)
}

/// Where `-v` wants volumes of the container's own: they give way to all that is asked for at the same places.
pub(super) fn without_name(volumes: &[String]) -> Result<BTreeSet<String>, CliError> {
    let places = volumes.iter().filter(|text| is_place(text));
    places
        .map(|text| {
            let wrong = || CliError::new(format!("invalid --volume `{text}`: destination can't be '/'"));
            // docker looks for it from the container's root.
            let place = if text.starts_with('/') { text.clone() } else { format!("/{text}") };
            let destination = absolute(&place).ok_or_else(wrong)?;
            check_place(&MountPoint { destination, kind: MountKind::Volume, ..MountPoint::default() })?;
            Ok(place)
        })
        .collect()
}

/// Whether `-v` says where a volume of the container's own is to be, and nothing else. One letter with a colon behind it is
/// the beginning of a path to docker, as on Windows; and what has two letters is a path.
fn is_place(text: &str) -> bool {
    let mut letters = text.chars();
    let has_drive = letters.next().is_some_and(char::is_alphabetic) && letters.next() == Some(':');
    let rest = if has_drive { letters.as_str() } else { text };
    !text.is_empty() && (text.len() <= 2 || !rest.contains(':'))
}

/// What the kernel says of itself in /proc is not covered, but for what programs such as lxcfs stand in for.
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

fn check_place(mount: &MountPoint) -> Result<(), CliError> {
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
    Err(CliError::new(format!("`{place}` cannot be mounted because it is inside /proc")))
}

/// docker's `Binds`: `-v` as typed, with whole paths.
pub(super) fn binds(texts: &[String]) -> Vec<String> {
    let with_source = texts.iter().filter(|text| !is_place(text)).filter_map(|text| text.split_once(':'));
    with_source
        .map(|(source, rest)| match host_path(source) {
            Some(path) => format!("{}:{rest}", path.display()),
            None => format!("{source}:{rest}"),
        })
        .collect()
}

/// docker's `Mounts` of a `HostConfig`.
pub(super) fn typed(texts: &[String]) -> Result<Vec<serde_json::Value>, CliError> {
    texts.iter().map(|text| typed_mounts::mount(text, "local").map(|mount| typed_mounts::describe(&mount))).collect()
}

/// `TARGET`, `SOURCE:TARGET` or `SOURCE:TARGET:OPTIONS`.
fn volume(text: &str, driver: &str) -> Result<MountPoint, CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid --volume `{text}`: {message}"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return Err(wrong("it is SOURCE:TARGET[:OPTIONS]")),
    };
    if parts.iter().any(|part| part.is_empty()) {
        return Err(wrong("empty section between colons").exit_code(super::NOT_RUN));
    }
    let path = source.and_then(host_path);
    let mut mount = MountPoint {
        destination: absolute(target).ok_or_else(|| wrong("the target must be absolute"))?,
        mode: options.to_owned(),
        writable: true,
        ..MountPoint::default()
    };
    if parts.len() > 2 {
        check_mode(options).ok_or_else(|| wrong(&format!("invalid mode: {options}")))?;
    }
    for option in options.split(',') {
        match option {
            "ro" | "readonly" => mount.writable = false,
            "rw" => mount.writable = true,
            "rbind" if path.is_some() => mount.non_recursive = false,
            "bind" if path.is_some() => mount.non_recursive = true,
            "nocopy" if path.is_none() => mount.volume.no_copy = true,
            option if PROPAGATIONS.contains(&option) && path.is_some() => mount.propagation = option.to_owned(),
            // Labels where there is no SELinux, and what only docker's virtual machines on other systems have, change
            // nothing with docker either.
            "" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            other => return Err(wrong(&format!("invalid mode: {other}"))),
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
                // What docker calls a volume that others may have, too.
                mount.mode = "z".to_owned();
            }
            Ok(MountPoint { kind: MountKind::Volume, name, driver: driver.to_owned(), ..mount })
        }
    }
}

/// Of each kind of option there is one at most.
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

/// Said before anything is made.
pub(super) fn check_volume_name(name: &str) -> Result<(), CliError> {
    let is_letter = |c: char| c.is_ascii_alphanumeric();
    let is_rest = |c: char| is_letter(c) || matches!(c, '_' | '.' | '-');
    if name.is_empty() || (name.len() > 1 && name.starts_with(is_letter) && name.chars().all(is_rest)) {
        return Ok(());
    }
    let error = crate::container::volume::VolumeError::BadName { name: name.to_owned() };
    let hint = error.hint();
    Err(CliError::from(error).hint_if(hint))
}

/// `TARGET` or `TARGET:OPTIONS`, with the options of tmpfs(5) and mount(8).
fn memory(text: &str) -> Result<MountPoint, CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid --tmpfs `{text}`: {message}"));
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
            // What it is anyway.
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

/// A place on the host: an absolute path, or one that begins with a dot. Anything else is a volume's name.
pub(super) fn host_path(text: &str) -> Option<PathBuf> {
    if text.starts_with('/') || text == "." || text == ".." || text.starts_with("./") || text.starts_with("../") {
        std::path::absolute(text).ok()
    } else {
        None
    }
}

pub(super) fn absolute(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    (path.is_absolute() && path != Path::new("/")).then(|| path.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> Storage {
        Storage {
            volume: Vec::new(),
            mount: Vec::new(),
            tmpfs: Vec::new(),
            volumes_from: Vec::new(),
            volume_driver: None,
            read_only: false,
            shm_size: None,
        }
    }

    fn one(volume: &str) -> Result<MountPoint, CliError> {
        all(&Storage { volume: vec![volume.to_owned()], ..storage() }).map(|mut all| all.remove(0))
    }

    #[test]
    fn short_form() {
        let mount = one("/a:/b:ro,Z").unwrap();
        assert_eq!((mount.kind, mount.writable, mount.create_source), (MountKind::Bind, false, true));
        assert_eq!((mount.source, mount.destination), ("/a".into(), "/b".into()));
        let here = std::env::current_dir().unwrap().join("x");
        assert_eq!(one("./x:/b").unwrap().source, here);
        assert_eq!(without_name(&["/data".to_owned(), "a:/b".to_owned()]).unwrap(), ["/data".to_owned()].into());
        let place = |text: &str| without_name(&[text.to_owned()]).map(|places| places.into_iter().next());
        for (text, wanted) in [("data", "/data"), (":", "/:"), ("x:/abs", "/x:/abs"), ("x:rel", "/x:rel")] {
            assert_eq!(place(text).unwrap().as_deref(), Some(wanted));
        }
        assert!(place("/proc/x").is_err() && place("/").is_err() && place(".").is_err());
        assert_eq!(place("xx:/abs").unwrap(), None);
        let named = one("data:/b:nocopy,ro").unwrap();
        assert_eq!((named.kind, named.name.as_str(), named.volume.no_copy), (MountKind::Volume, "data", true));
        assert_eq!(one("/a:/b:rshared").unwrap().propagation, "rshared");
        for wrong in ["/a:b", "/a:/b:nonsense", "data:/b:shared", "/a:/", "aa:b:c:d", "a b:/c", "/a:/b:nocopy"] {
            assert!(one(wrong).is_err(), "{wrong}");
        }
        assert_eq!(binds(&["./x:/b:ro".to_owned(), "/c".to_owned()]), [format!("{}:/b:ro", here.display())]);
    }

    #[test]
    fn one_place_is_taken_once() {
        let volume = vec!["/a:/b".to_owned()];
        let tmpfs = |text: &str| Storage { volume: volume.clone(), tmpfs: vec![text.to_owned()], ..storage() };
        assert!(all(&tmpfs("/b:size=1m")).is_err());
        assert!(all(&tmpfs("/b/:size=1m")).is_err());
        assert!(all(&tmpfs("/c:size=1m,exec")).is_ok());
    }
}
