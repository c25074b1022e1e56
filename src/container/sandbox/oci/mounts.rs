//! The mounts in a specification.

use std::path::Path;

use serde_json::{Value, json};

use crate::container::sandbox::container::{Mount, MountSource, Propagation, TmpfsOptions};
use crate::container::sandbox::isolation::{Isolation, Namespace, NetworkIsolation};
use crate::container::sandbox::user_namespace::{self, IdMapping};

pub(super) fn standard(isolation: &Isolation) -> Vec<Value> {
    let mount = |place: &str, kind: &str, options: &[&str]| json!({"destination": place, "type": kind, "source": kind, "options": options});
    let bind = |place: &str, options: &[&str]| json!({"destination": place, "type": "bind", "source": place, "options": options});
    let access = if isolation.privileged { "rw" } else { "ro" };
    let shm_size = format!("size={}", isolation.shm_size);
    // With a single user mapped, no file can be given to the group of terminals.
    let terminals: &[&str] = match user_namespace::entered() {
        Some(IdMapping::Single { .. }) => &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        _ => &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    };
    let is_foreign = user_namespace::entered().is_some() && matches!(isolation.network, NetworkIsolation::Host);
    let mut all = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", terminals),
    ];
    match isolation.namespaces.ipc {
        _ if isolation.namespaces.without_shm => {}
        Namespace::Own => {
            all.push(mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", &shm_size]));
        }
        _ => all.push(bind("/dev/shm", &["rbind", "nosuid", "noexec", "nodev"])),
    }
    match isolation.namespaces.ipc {
        Namespace::Own => all.push(mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"])),
        _ => all.push(bind("/dev/mqueue", &["rbind", "nosuid", "noexec", "nodev"])),
    }
    // Root of a user namespace can't mount a sysfs for a network namespace that belongs to another one.
    all.push(match is_foreign {
        true => bind("/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]),
        false => mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", access]),
    });
    if !is_foreign {
        all.push(mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", access]));
    }
    all
}

/// `None` for a stack of layers, which only builds mount, and for anything that another runtime could not find.
pub(super) fn own<E>(
    mount: &Mount,
    file: &mut impl FnMut(&[u8], u32) -> Result<String, E>,
) -> Result<Option<Value>, E> {
    let place = mount.target.display().to_string();
    let bind = |source: String, kind: &str, propagation: Propagation| {
        let propagation = match propagation {
            Propagation::Private => "rprivate",
            Propagation::Slave => "rslave",
            Propagation::Shared => "rshared",
        };
        let access = match (mount.read_only, mount.shallow || kind == "bind") {
            (false, _) => "rw",
            (true, true) => "ro",
            (true, false) => "rro",
        };
        json!({"destination": place, "type": "bind", "source": source, "options": [kind, access, propagation]})
    };
    Ok(Some(match &mount.source {
        MountSource::Bind { path, recursive, propagation } => {
            bind(path.display().to_string(), depth(path, *recursive), *propagation)
        }
        MountSource::Own(path) => bind(path.display().to_string(), depth(path, true), Propagation::Private),
        MountSource::File { content, mode, .. } => bind(file(content, *mode)?, "bind", Propagation::Private),
        MountSource::Tmpfs(options) => {
            let access = if mount.read_only { "ro" } else { "rw" };
            json!({"destination": place, "type": "tmpfs", "source": "tmpfs", "options": tmpfs(options, access)})
        }
        // The code that mounts the root filesystem has resolved the path by then.
        MountSource::Within { folder, path, .. } => {
            bind(folder.join(path).display().to_string(), "rbind", Propagation::Private)
        }
        MountSource::Stack { .. } | MountSource::TmpfsOfProcess { .. } => return Ok(None),
    }))
}

/// A file has no mounts below it, and crun fails when it is told to include them.
fn depth(path: &Path, recursive: bool) -> &'static str {
    if recursive && path.is_dir() { "rbind" } else { "bind" }
}

fn tmpfs(options: &TmpfsOptions, access: &str) -> Vec<String> {
    let mut words = vec![access.to_owned(), "nosuid".to_owned(), "nodev".to_owned()];
    words.extend(options.no_exec.then(|| "noexec".to_owned()));
    words.extend(options.size.map(|size| format!("size={size}")));
    let more = options.more.iter().map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    });
    words.extend(more);
    words.extend([format!("mode={:o}", options.mode), format!("uid={}", options.uid), format!("gid={}", options.gid)]);
    words
}
