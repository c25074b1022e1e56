//! A container in the words of the OCI runtime specification, for other runtimes than this one (config.md, config-linux.md
//! of github.com/opencontainers/runtime-spec).

use std::path::Path;

use serde_json::{Value, json};

use super::capability::CapabilitySet;
use super::container::{Container, Mount, MountSource, Process, Propagation, TmpfsOptions};
use super::init::{MASKED, READ_ONLY};
use super::isolation::{Isolation, Limits, Namespace, NetworkIsolation};

const VERSION: &str = "1.0.2";

/// The content of a bundle's `config.json`. `root` is the folder of its root filesystem, and `file` gives the path of a
/// file with what a mount is to show.
pub fn specification<E>(
    container: &Container,
    root: &Path,
    mut file: impl FnMut(&[u8], u32) -> Result<String, E>,
) -> Result<Value, E> {
    let isolation = &container.isolation;
    let mut mounts = standard_mounts(isolation);
    for mount in &container.mounts {
        mounts.extend(own_mount(mount, &mut file)?);
    }
    let (masked, read_only): (&[&str], &[&str]) =
        if isolation.privileged || isolation.system_paths_shown { (&[], &[]) } else { (&MASKED, &READ_ONLY) };
    Ok(json!({
        "ociVersion": VERSION,
        "process": process(&container.process, isolation),
        "root": {"path": root.display().to_string(), "readonly": isolation.read_only_root},
        "hostname": isolation.hostname.clone().unwrap_or_default(),
        "mounts": mounts,
        "linux": {
            "namespaces": namespaces(isolation),
            "maskedPaths": masked,
            "readonlyPaths": read_only,
            "sysctl": isolation.sysctls,
            "resources": resources(&isolation.limits, isolation.privileged),
            "seccomp": if isolation.privileged { Value::Null } else { isolation.seccomp.to_oci(isolation.capabilities) },
        },
    }))
}

fn process(process: &Process, isolation: &Isolation) -> Value {
    let text = |word: &std::ffi::OsString| word.to_string_lossy().into_owned();
    let capabilities = if isolation.privileged { CapabilitySet::ALL } else { isolation.capabilities };
    let names = capabilities.names();
    // A user that is not root has none in effect, as when rbuild starts it.
    let effective = if process.user.uid == 0 { names.clone() } else { Vec::new() };
    let limits: Vec<Value> = process
        .limits
        .iter()
        .map(|limit| {
            let name = format!("RLIMIT_{}", limit.name.to_ascii_uppercase());
            json!({"type": name, "soft": limit.soft, "hard": limit.hard})
        })
        .collect();
    json!({
        "terminal": process.terminal,
        "user": {"uid": process.user.uid, "gid": process.user.gid, "additionalGids": process.user.groups},
        "args": process.arguments.iter().map(text).collect::<Vec<_>>(),
        "env": process.environment.iter().map(text).collect::<Vec<_>>(),
        "cwd": process.directory.display().to_string(),
        "capabilities": {"bounding": names, "permitted": effective, "effective": effective},
        "rlimits": limits,
        "noNewPrivileges": isolation.no_new_privileges,
        "oomScoreAdj": process.oom_score_adjust.unwrap_or(0),
    })
}

fn standard_mounts(isolation: &Isolation) -> Vec<Value> {
    let mount = |place: &str, kind: &str, options: &[&str]| json!({"destination": place, "type": kind, "source": kind, "options": options});
    let access = if isolation.privileged { "rw" } else { "ro" };
    let shm_size = format!("size={}", isolation.shm_size);
    vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", &shm_size]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", access]),
        mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", access]),
    ]
}

/// Nothing for a stack of layers: only builds mount such, and they have no bundle.
fn own_mount<E>(mount: &Mount, file: &mut impl FnMut(&[u8], u32) -> Result<String, E>) -> Result<Option<Value>, E> {
    let access = if mount.read_only { "ro" } else { "rw" };
    let place = mount.target.display().to_string();
    let bind = |source: String, kind: &str, propagation: Propagation| {
        let propagation = match propagation {
            Propagation::Private => "rprivate",
            Propagation::Slave => "rslave",
            Propagation::Shared => "rshared",
        };
        json!({"destination": place, "type": "bind", "source": source, "options": [kind, access, propagation]})
    };
    Ok(Some(match &mount.source {
        MountSource::Bind { path, recursive, propagation } => {
            bind(path.display().to_string(), if *recursive { "rbind" } else { "bind" }, *propagation)
        }
        MountSource::File { content, mode, .. } => bind(file(content, *mode)?, "bind", Propagation::Private),
        MountSource::Tmpfs(options) => json!({
            "destination": place, "type": "tmpfs", "source": "tmpfs", "options": tmpfs(options, access),
        }),
        MountSource::Stack { .. } => return Ok(None),
    }))
}

fn tmpfs(options: &TmpfsOptions, access: &str) -> Vec<String> {
    let mut words = vec![access.to_owned(), "nosuid".to_owned(), "nodev".to_owned()];
    words.extend(options.no_exec.then(|| "noexec".to_owned()));
    words.extend(options.size.map(|size| format!("size={size}")));
    words.extend([format!("mode={:o}", options.mode), format!("uid={}", options.uid), format!("gid={}", options.gid)]);
    words
}

/// A network that rbuild would make is not there: the runtime's container gets an empty one.
fn namespaces(isolation: &Isolation) -> Vec<Value> {
    let mut all = vec![json!({"type": "mount"}), json!({"type": "cgroup"})];
    let of = &isolation.namespaces;
    for (kind, file, namespace) in [("pid", "pid", of.pid), ("ipc", "ipc", of.ipc), ("uts", "uts", of.uts)] {
        match namespace {
            Namespace::Own => all.push(json!({"type": kind})),
            Namespace::OfProcess(pid) => all.push(json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")})),
            _ => {}
        }
    }
    if !matches!(isolation.network, NetworkIsolation::Host) {
        all.push(json!({"type": "network"}));
    }
    all
}

fn resources(limits: &Limits, privileged: bool) -> Value {
    let signed = |number: u64| i64::try_from(number).unwrap_or(-1);
    let mut devices = vec![json!({"allow": privileged, "access": "rwm"})];
    if !privileged {
        devices.extend([(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)].map(
            |(major, minor)| json!({"allow": true, "type": "c", "major": major, "minor": minor, "access": "rwm"}),
        ));
        devices.push(json!({"allow": true, "type": "c", "major": 136, "access": "rwm"}));
    }
    let mut memory = serde_json::Map::new();
    let pairs =
        [("limit", limits.memory), ("swap", limits.memory_and_swap), ("reservation", limits.memory_reservation)];
    memory.extend(pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), signed(value?).into()))));
    let mut cpu = serde_json::Map::new();
    let pairs = [("quota", limits.cpu_quota), ("period", limits.cpu_period), ("shares", limits.cpu_shares)];
    cpu.extend(pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
    let pairs = [("cpus", &limits.cpuset_cpus), ("mems", &limits.cpuset_mems)];
    cpu.extend(pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?.into()))));
    let mut all = json!({"devices": devices, "memory": memory, "cpu": cpu});
    if let Some(pids) = limits.pids {
        all["pids"] = json!({"limit": signed(pids)});
    }
    all
}
