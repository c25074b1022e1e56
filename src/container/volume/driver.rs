//! The local driver's options: where a volume's files really are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::VolumeError;

/// The storage of a volume.
#[derive(Debug, Clone, PartialEq)]
pub enum Backing {
    /// The volume's own folder.
    Folder,
    /// A file or folder of the host (`type=none,o=bind,device=PATH`).
    Bind { path: PathBuf, read_only: bool },
    /// A tmpfs that exists while containers use it; its size is in bytes.
    Memory { size: Option<u64>, mode: u32, uid: u32, gid: u32, read_only: bool },
}

impl Backing {
    /// Parses the options, and refuses those that could only be ignored.
    pub fn of(options: &BTreeMap<String, String>) -> Result<Self, VolumeError> {
        let wrong = |what: String| VolumeError::Option { what };
        if let Some(other) = options.keys().find(|key| !matches!(key.as_str(), "type" | "o" | "device")) {
            return Err(VolumeError::UnknownOption { key: other.clone() });
        }
        let get = |key: &str| options.get(key).map(String::as_str).unwrap_or_default();
        let flags: Vec<&str> = get("o").split(',').filter(|flag| !flag.is_empty()).collect();
        match (get("type"), get("device")) {
            ("", "") if flags.is_empty() => Ok(Self::Folder),
            ("tmpfs", _) => memory(&flags),
            ("none" | "", device) if flags.iter().any(|flag| matches!(*flag, "bind" | "rbind")) => {
                if !Path::new(device).is_absolute() {
                    return Err(wrong(format!("the device of a bind is an absolute path, not `{device}`")));
                }
                let known = ["bind", "rbind", "ro", "rw"];
                if let Some(other) = flags.iter().find(|flag| !known.contains(flag)) {
                    return Err(wrong(format!("a bind has no `{other}`")));
                }
                Ok(Self::Bind { path: device.into(), read_only: flags.contains(&"ro") })
            }
            ("", _) => Err(wrong("it needs a type".to_owned())),
            (kind, _) => Err(wrong(format!(
                "rbuild mounts no filesystems of type `{kind}`; there are tmpfs and none with o=bind"
            ))),
        }
    }
}

/// Refuses what docker refuses of a new volume's options, and what could only be ignored.
pub fn check(options: &BTreeMap<String, String>) -> Result<(), VolumeError> {
    Backing::of(options)?;
    let missing = ["device", "type"].into_iter().find(|key| !options.contains_key(*key));
    match missing.filter(|_| !options.is_empty()) {
        Some(key) => Err(VolumeError::MissingOption { key }),
        None => Ok(()),
    }
}

fn memory(flags: &[&str]) -> Result<Backing, VolumeError> {
    let (mut size, mut mode, mut uid, mut gid, mut read_only) = (None, 0o1777, 0, 0, false);
    for flag in flags {
        let wrong = || VolumeError::Option { what: format!("a tmpfs has no `{flag}`") };
        let (key, value) = flag.split_once('=').unwrap_or((flag, ""));
        match key {
            "size" => size = Some(bytes(value).ok_or_else(wrong)?),
            "mode" => mode = u32::from_str_radix(value, 8).map_err(|_| wrong())?,
            "uid" => uid = value.parse().map_err(|_| wrong())?,
            "gid" => gid = value.parse().map_err(|_| wrong())?,
            "ro" => read_only = true,
            "rw" | "nosuid" | "nodev" => {}
            _ => return Err(wrong()),
        }
    }
    Ok(Backing::Memory { size, mode, uid, gid, read_only })
}

/// A size as in tmpfs(5): a number with an optional suffix k, m or g.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &[(&str, &str)]) -> Result<Backing, VolumeError> {
        Backing::of(&options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn options() {
        assert_eq!(of(&[]).unwrap(), Backing::Folder);
        let bind = of(&[("type", "none"), ("o", "bind,ro"), ("device", "/srv")]).unwrap();
        assert_eq!(bind, Backing::Bind { path: "/srv".into(), read_only: true });
        let memory = of(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=100m,uid=1000,mode=700")]).unwrap();
        let expected = Backing::Memory { size: Some(100 << 20), mode: 0o700, uid: 1000, gid: 0, read_only: false };
        assert_eq!(memory, expected);
        for wrong in [
            vec![("colour", "red")],
            vec![("type", "none"), ("o", "bind"), ("device", "srv")],
            vec![("type", "nfs"), ("device", ":/x"), ("o", "addr=1.2.3.4")],
            vec![("type", "tmpfs"), ("o", "size=x")],
            vec![("device", "/dev/sda1")],
        ] {
            assert!(of(&wrong).is_err(), "{wrong:?}");
        }
    }
}
