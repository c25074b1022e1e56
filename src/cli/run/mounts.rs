//! `-v`, `--mount` and `--tmpfs`: what is mounted where.

use std::path::{Path, PathBuf};

use super::values::bytes;
use crate::cli::CliError;
use crate::container::{MountKind, MountPoint};
use crate::sandbox::TmpfsOptions;

/// All mounts, those of `-v` first.
pub(super) fn all(volumes: &[String], mounts: &[String], tmpfs: &[String]) -> Result<Vec<MountPoint>, CliError> {
    let volumes = volumes.iter().map(|text| volume(text));
    let mounts = mounts.iter().map(|text| mount(text));
    let tmpfs = tmpfs.iter().map(|text| memory(text));
    let all: Vec<MountPoint> = volumes.chain(mounts).chain(tmpfs).collect::<Result<_, _>>()?;
    for (index, mount) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.destination == mount.destination) {
            return Err(CliError::new(format!("duplicate mount point: {}", mount.destination.display())));
        }
    }
    Ok(all)
}

/// `TARGET`, `SOURCE:TARGET` or `SOURCE:TARGET:OPTIONS`.
fn volume(text: &str) -> Result<MountPoint, CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid --volume `{text}`: {message}"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return Err(wrong("it is SOURCE:TARGET[:OPTIONS]")),
    };
    let mut read_only = false;
    let mut recursive = true;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" | "readonly" => read_only = true,
            "rw" => read_only = false,
            "rbind" => recursive = true,
            "bind" => recursive = false,
            // Labels where there is no SELinux, and what only docker's virtual machines on other systems have, change
            // nothing with docker either. Private is what every mount is.
            "z" | "Z" | "cached" | "delegated" | "consistent" | "private" | "rprivate" => {}
            "shared" | "rshared" | "slave" | "rslave" => {
                return Err(wrong("mounts of rbuild's containers are private; propagation is not supported"));
            }
            other => return Err(wrong(&format!("there is no option `{other}`"))),
        }
    }
    let mount = MountPoint {
        destination: absolute(target).ok_or_else(|| wrong("the target must be absolute"))?,
        mode: options.to_owned(),
        writable: !read_only,
        ..MountPoint::default()
    };
    let Some(source) = source else {
        return Ok(MountPoint { kind: MountKind::Volume, driver: "local".to_owned(), ..mount });
    };
    let source = host_path(source).ok_or_else(|| named_volume(text, source))?;
    let propagation = "rprivate".to_owned();
    Ok(MountPoint { source, create_source: true, non_recursive: !recursive, propagation, ..mount })
}

/// `type=bind,source=...,target=...`.
fn mount(text: &str) -> Result<MountPoint, CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid --mount `{text}`: {message}"));
    let (mut kind, mut source, mut target) = ("volume", None, None);
    let (mut read_only, mut recursive) = (false, true);
    let mut tmpfs = TmpfsOptions { no_exec: true, ..TmpfsOptions::default() };
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let flag = || match value {
            "" | "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(wrong(&format!("`{key}` is true or false"))),
        };
        match key {
            "type" => kind = value,
            "source" | "src" => source = Some(value),
            "target" | "destination" | "dst" => target = Some(value),
            "readonly" | "ro" => read_only = flag()?,
            "bind-propagation" if matches!(value, "private" | "rprivate") => {}
            "bind-nonrecursive" => recursive = !flag()?,
            "bind-recursive" if value == "disabled" => recursive = false,
            "bind-recursive" if value == "enabled" => {}
            "tmpfs-size" => tmpfs.size = Some(bytes(value).map_err(|message| wrong(&message))?),
            "tmpfs-mode" => {
                tmpfs.mode = u32::from_str_radix(value, 8).map_err(|_| wrong("`tmpfs-mode` is octal"))?;
            }
            "consistency" => {}
            other => return Err(wrong(&format!("`{other}` with `{value}` is not supported"))),
        }
    }
    let target = target.and_then(absolute).ok_or_else(|| wrong("it needs a target, which must be absolute"))?;
    let mount = MountPoint { destination: target, writable: !read_only, ..MountPoint::default() };
    Ok(match (kind, source) {
        ("bind", Some(source)) => {
            let source = host_path(source).ok_or_else(|| wrong("the source of a bind must be absolute"))?;
            MountPoint { source, non_recursive: !recursive, propagation: "rprivate".to_owned(), ..mount }
        }
        ("bind", None) => return Err(wrong("a bind needs a source")),
        ("tmpfs", None) => MountPoint { kind: MountKind::Tmpfs, tmpfs: Some(tmpfs), ..mount },
        ("tmpfs", Some(_)) => return Err(wrong("a tmpfs has no source")),
        ("volume", None) => MountPoint { kind: MountKind::Volume, driver: "local".to_owned(), ..mount },
        ("volume", Some(name)) => return Err(named_volume(text, name)),
        (other, _) => return Err(wrong(&format!("there is no type `{other}`; there are bind, tmpfs and volume"))),
    })
}

/// `TARGET` or `TARGET:OPTIONS`, with the options of tmpfs(5) and mount(8).
fn memory(text: &str) -> Result<MountPoint, CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid --tmpfs `{text}`: {message}"));
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut tmpfs = TmpfsOptions { no_exec: true, ..TmpfsOptions::default() };
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let number = || value.parse::<u32>().map_err(|_| wrong(&format!("`{key}` is a number")));
        match key {
            "size" => tmpfs.size = Some(bytes(value).map_err(|message| wrong(&message))?),
            "mode" => tmpfs.mode = u32::from_str_radix(value, 8).map_err(|_| wrong("`mode` is octal"))?,
            "uid" => tmpfs.uid = number()?,
            "gid" => tmpfs.gid = number()?,
            "ro" => read_only = true,
            "rw" => read_only = false,
            "exec" => tmpfs.no_exec = false,
            "noexec" => tmpfs.no_exec = true,
            // What it is anyway.
            "nosuid" | "nodev" => {}
            other => return Err(wrong(&format!("the option `{other}` is not supported"))),
        }
    }
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
fn host_path(text: &str) -> Option<PathBuf> {
    if text.starts_with('/') || text == "." || text == ".." || text.starts_with("./") || text.starts_with("../") {
        std::path::absolute(text).ok()
    } else {
        None
    }
}

fn absolute(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    (path.is_absolute() && path != Path::new("/")).then(|| path.to_owned())
}

fn named_volume(text: &str, name: &str) -> CliError {
    CliError::new(format!(
        "`{text}` asks for a volume with the name `{name}`, and this rbuild has no named volumes yet"
    ))
    .hint(format!("to mount a folder of the host, write its path from the root, or `./{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(volume: &str) -> Result<MountPoint, CliError> {
        all(&[volume.to_owned()], &[], &[]).map(|mut all| all.remove(0))
    }

    #[test]
    fn short_form() {
        let mount = one("/a:/b:ro,Z").unwrap();
        assert_eq!((mount.kind, mount.writable, mount.create_source), (MountKind::Bind, false, true));
        assert_eq!((mount.source, mount.destination), ("/a".into(), "/b".into()));
        let here = std::env::current_dir().unwrap().join("x");
        assert_eq!(one("./x:/b").unwrap().source, here);
        assert_eq!(one("/data").unwrap().kind, MountKind::Volume);
        for wrong in ["name:/b", "/a:b", "/a:/b:nonsense", "/a:/b:shared", "/a:/", "a:b:c:d"] {
            assert!(one(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn long_form() {
        let parse = |text: &str| all(&[], &[text.to_owned()], &[]).map(|mut all| all.remove(0));
        let mount = parse("type=bind,source=/a,target=/b,readonly").unwrap();
        assert_eq!((mount.kind, mount.writable, mount.create_source), (MountKind::Bind, false, false));
        let mount = parse("type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=700").unwrap();
        let options = TmpfsOptions { size: Some(1 << 20), mode: 0o700, no_exec: true, ..TmpfsOptions::default() };
        assert_eq!(mount.tmpfs, Some(options));
        for wrong in ["type=bind,target=/b", "type=nope,target=/b", "source=v,target=/b", "type=tmpfs", "x=y,dst=/b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_place_is_taken_once() {
        assert!(all(&["/a:/b".to_owned()], &[], &["/b:size=1m".to_owned()]).is_err());
        assert!(all(&["/a:/b".to_owned()], &[], &["/c:size=1m,exec".to_owned()]).is_ok());
    }
}
