//! `--mount type=bind|volume|tmpfs|image,source=...,target=...`.

use std::path::PathBuf;

use crate::base::{boolean, bytes};
use crate::cli::CliError;
use crate::container::sandbox::TmpfsOptions;
use crate::container::{MountKind, MountPoint, ReadOnlyDepth};
use crate::engine::container::mounts::{PROPAGATIONS, absolute, check_volume_name, host_path};

/// The fields as typed.
#[derive(Default)]
struct Fields {
    kind: String,
    source: Option<String>,
    target: Option<PathBuf>,
    mount: MountPoint,
    read_only: bool,
    /// Set by `bind-recursive=readonly`.
    needs_read_only: bool,
    tmpfs: TmpfsOptions,
    /// Fields that are valid for one kind only.
    used: Vec<(&'static str, String)>,
}

pub(super) fn mount(text: &str, driver: &str) -> Result<MountPoint, CliError> {
    let wrong = |message: String| CliError::new(format!("invalid --mount `{text}`: {message}"));
    let mut fields = Fields { kind: "volume".to_owned(), ..Fields::default() };
    fields.mount.driver = driver.to_owned();
    fields.tmpfs.no_exec = true;
    // What docker's CLI already refuses, and not only its daemon.
    let typed = |message: String| wrong(message).exit_code(super::NOT_RUN);
    for field in crate::base::fields(text).map_err(|error| typed(error.to_string()))? {
        let (key, value) = field.split_once('=').unwrap_or((&field, ""));
        fields.set(&key.to_ascii_lowercase(), value).map_err(typed)?;
    }
    fields.finish().map_err(wrong)
}

impl Fields {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let flag = || match value {
            "" => Ok(true),
            _ => boolean(value).ok_or_else(|| format!("invalid value for {key}: {value}")),
        };
        let pair = || value.split_once('=').unwrap_or((value, ""));
        let kind = ["bind", "volume", "tmpfs", "image"].into_iter().find(|kind| key.starts_with(&format!("{kind}-")));
        if let Some(kind) = kind {
            self.used.push((kind, key.to_owned()));
        }
        match key {
            "type" => self.kind = value.to_ascii_lowercase(),
            "source" | "src" => self.source = Some(value.to_owned()),
            "target" | "destination" | "dst" => self.target = absolute(value),
            "readonly" | "ro" => self.read_only = flag()?,
            "consistency" => {}
            "bind-propagation" if PROPAGATIONS.contains(&value) => self.mount.propagation = value.to_owned(),
            "bind-nonrecursive" => self.mount.non_recursive = flag()?,
            "bind-create-src" => self.mount.create_source = flag()?,
            "bind-recursive" => match value {
                "enabled" => {}
                "readonly" => self.needs_read_only = true,
                "disabled" => self.mount.non_recursive = true,
                "writable" => self.mount.read_only_depth = ReadOnlyDepth::Shallow,
                _ => return Err(format!("invalid value for {key}: {value}")),
            },
            "volume-nocopy" => self.mount.volume.no_copy = flag()?,
            "volume-driver" => self.mount.driver = value.to_owned(),
            "volume-subpath" => self.mount.volume.subpath = value.to_owned(),
            "image-subpath" => self.mount.image.subpath = value.to_owned(),
            "volume-label" => {
                let (key, value) = pair();
                self.mount.volume.labels.insert(key.to_owned(), value.to_owned());
            }
            "volume-opt" => {
                let (key, value) = pair();
                self.mount.volume.options.insert(key.to_owned(), value.to_owned());
            }
            "tmpfs-size" => self.tmpfs.size = Some(bytes(value)?),
            "tmpfs-mode" => {
                self.tmpfs.mode =
                    u32::from_str_radix(value, 8).map_err(|_| format!("invalid value for {key}: {value}"))?;
            }
            other => return Err(format!("unexpected key '{other}' in '{other}={value}'")),
        }
        Ok(())
    }

    fn finish(self) -> Result<MountPoint, String> {
        let target = self.target.ok_or("target is required, and must be absolute")?;
        if let Some((_, key)) = self.used.iter().find(|(kind, _)| *kind != self.kind) {
            return Err(format!("cannot mix '{key}' with mount type '{}'", self.kind));
        }
        let is_read_only_rule = self.mount.read_only_depth != ReadOnlyDepth::default();
        if is_read_only_rule && !self.read_only {
            return Err("option 'bind-recursive=writable' requires 'readonly' to be specified".to_owned());
        }
        if self.needs_read_only && !self.read_only {
            return Err(
                "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction".to_owned()
            );
        }
        let mount = MountPoint { destination: target, writable: !self.read_only, ..self.mount };
        let plain = MountPoint { driver: String::new(), ..mount.clone() };
        match (self.kind.as_str(), self.source) {
            ("bind", Some(source)) => {
                let source =
                    host_path(&source).ok_or(format!("invalid mount path: '{source}' mount path must be absolute"))?;
                let propagation = if plain.propagation.is_empty() { "rprivate".to_owned() } else { plain.propagation };
                Ok(MountPoint { source, propagation, ..plain })
            }
            ("bind", None) => Err("a bind needs a source".to_owned()),
            ("tmpfs", None) => Ok(MountPoint { kind: MountKind::Tmpfs, tmpfs: Some(self.tmpfs), ..plain }),
            ("tmpfs", Some(_)) => Err("a tmpfs has no source".to_owned()),
            ("image", Some(name)) if !name.is_empty() => {
                let subpath = &plain.image.subpath;
                if subpath.starts_with('/') || subpath.split('/').any(|part| part == "..") {
                    return Err("image-subpath is a relative path within the image".to_owned());
                }
                Ok(MountPoint { kind: MountKind::Image, name, writable: false, ..plain })
            }
            ("image", _) => Err("an image needs a source: its name".to_owned()),
            ("volume", name) => {
                let name = name.unwrap_or_default();
                check_volume_name(&name).map_err(|_| format!("`{name}` is not a valid volume name"))?;
                if name.is_empty() && !mount.writable {
                    return Err("must not set ReadOnly mode when using anonymous volumes".to_owned());
                }
                if !is_within(&mount.volume.subpath) {
                    return Err("volume-subpath is a relative path within the volume".to_owned());
                }
                Ok(MountPoint { kind: MountKind::Volume, name, mode: "z".to_owned(), ..mount })
            }
            (other, _) => Err(format!("there is no type `{other}`; there are bind, volume, tmpfs and image")),
        }
    }
}

/// Whether a path stays below its start, judged by its text alone.
fn is_within(path: &str) -> bool {
    let mut depth = 0_i32;
    !path.starts_with('/')
        && path.split('/').all(|part| {
            depth += match part {
                "" | "." => 0,
                ".." => -1,
                _ => 1,
            };
            depth >= 0
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::container::mounts::describe_mount;

    fn parse(text: &str) -> Result<MountPoint, String> {
        mount(text, "local").map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn each_kind() {
        let bind = parse("type=bind,source=/a,target=/b,readonly,bind-propagation=rslave").unwrap();
        assert_eq!((bind.kind, bind.writable, bind.create_source), (MountKind::Bind, false, false));
        assert_eq!(bind.propagation, "rslave");
        let memory = parse("type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=700").unwrap();
        let options = TmpfsOptions { size: Some(1 << 20), mode: 0o700, no_exec: true, ..TmpfsOptions::default() };
        assert_eq!(memory.tmpfs, Some(options));
        let text = "source=data,dst=/b,volume-nocopy,volume-subpath=x/y,volume-label=a=b,\"volume-opt=o=bind,ro\"";
        let volume = parse(text).unwrap();
        assert_eq!((volume.kind, volume.name.as_str(), volume.driver.as_str()), (MountKind::Volume, "data", "local"));
        assert_eq!((volume.volume.subpath.as_str(), &*volume.volume.options["o"]), ("x/y", "bind,ro"));
        assert_eq!(
            parse("type=bind,src=/a,dst=/b,ro,bind-recursive=writable").unwrap().read_only_depth,
            ReadOnlyDepth::Shallow
        );
    }

    #[test]
    fn wrong_ones() {
        for wrong in [
            "type=bind,target=/b",
            "type=nope,target=/b",
            "source=a b,target=/b",
            "type=tmpfs",
            "x=y,dst=/b",
            "type=bind,src=/a,dst=/b,volume-nocopy",
            "type=volume,dst=/b,tmpfs-size=1m",
            "type=tmpfs,src=x,dst=/b",
            "type=bind,src=/a,dst=/b,bind-propagation=x",
            "type=bind,src=/a,dst=/b,bind-recursive=writable",
            "type=bind,src=/a,dst=/b,bind-recursive=readonly",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn in_dockers_words() {
        let described = describe_mount(&parse("type=bind,src=/a,dst=/b,ro").unwrap());
        assert_eq!(described, json!({"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true}));
    }
}
