//! `-v` and `--tmpfs`. `--mount` is in `typed_mounts`.

use std::collections::BTreeSet;

use super::arguments::Storage;
use super::typed_mounts;
use crate::cli::CliError;
use crate::container::{MountKind, MountPoint};
use crate::engine::container::mounts::{absolute, check_place, describe_mount, host_path, is_place, memory, volume};

/// All mounts, those of `-v` first.
pub(super) fn all(storage: &Storage) -> Result<Vec<MountPoint>, CliError> {
    let driver = storage.volume_driver.as_deref().filter(|driver| !driver.is_empty()).unwrap_or("local");
    let volumes = storage.volume.iter().filter(|text| !is_place(text)).map(|text| typed_volume(text, driver));
    let mounts = storage.mount.iter().map(|text| typed_mounts::mount(text, driver));
    let tmpfs = storage.tmpfs.iter().map(|text| memory(text).map_err(CliError::of_request));
    let all: Vec<MountPoint> = volumes.chain(mounts).chain(tmpfs).collect::<Result<_, _>>()?;
    for mount in &all {
        check_place(mount).map_err(CliError::of_request)?;
    }
    for (index, mount) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.destination == mount.destination) {
            return Err(CliError::new(format!("duplicate mount point: {}", mount.destination.display())));
        }
    }
    Ok(all)
}

/// What docker's CLI already refuses, and not only its daemon, has a different exit code.
fn typed_volume(text: &str, driver: &str) -> Result<MountPoint, CliError> {
    volume(text, driver).map_err(|error| {
        let error = CliError::of_request(error);
        if text.split(':').any(str::is_empty) { error.exit_code(super::NOT_RUN) } else { error }
    })
}

/// The targets of anonymous volumes in `-v`: they give way to any other mount at the same target.
pub(super) fn without_name(volumes: &[String]) -> Result<BTreeSet<String>, CliError> {
    let places = volumes.iter().filter(|text| is_place(text));
    places
        .map(|text| {
            let wrong = || CliError::new(format!("invalid --volume `{text}`: destination can't be '/'"));
            // docker takes it relative to the container's root.
            let place = if text.starts_with('/') { text.clone() } else { format!("/{text}") };
            let destination = absolute(&place).ok_or_else(wrong)?;
            check_place(&MountPoint { destination, kind: MountKind::Volume, ..MountPoint::default() })?;
            Ok(place)
        })
        .collect()
}

/// docker's `Binds`: `-v` as typed, with absolute paths.
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
    texts.iter().map(|text| typed_mounts::mount(text, "local").map(|mount| describe_mount(&mount))).collect()
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
        assert_eq!(without_name(&["/data".to_owned(), "data:/b".to_owned()]).unwrap(), ["/data".to_owned()].into());
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
