//! A container as an OCI runtime specification, for other runtimes (config.md and config-linux.md of
//! github.com/opencontainers/runtime-spec).

mod devices;
mod mounts;
mod resources;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::capability::CapabilitySet;
use super::container::{Container, Process};
use super::init::{READ_ONLY, masked_paths};
use super::isolation::{Isolation, Namespace, NetworkIsolation};

pub use resources::resources;

const VERSION: &str = "1.0.2";

/// What a specification needs in addition to the container.
#[derive(Debug)]
pub struct Places<'a> {
    /// The folder of its root filesystem.
    pub root: &'a Path,
    /// The network namespace to join; without it, the container gets a new one, unless it uses the host's.
    pub network: Option<String>,
    /// The cgroup's path below the mount of each hierarchy; `None` lets the runtime choose.
    pub cgroup: Option<String>,
    pub annotations: &'a BTreeMap<String, String>,
    /// Rows and columns of its terminal.
    pub console_size: (u16, u16),
}

/// The content of a bundle's `config.json`. `file` returns the path of a file with a mount's inline content.
pub fn specification<E>(
    container: &Container,
    places: &Places<'_>,
    mut file: impl FnMut(&[u8], u32) -> Result<String, E>,
) -> Result<Value, E> {
    let isolation = &container.isolation;
    let mut mounts = mounts::standard(isolation);
    for mount in &container.mounts {
        mounts.extend(mounts::own(mount, &mut file)?);
    }
    let (masked, read_only): (_, &[&str]) = if isolation.privileged || isolation.system_paths_shown {
        (Vec::new(), &[])
    } else {
        (masked_paths(), &READ_ONLY)
    };
    let devices = devices::nodes(isolation);
    let mut all_resources = resources(&isolation.limits);
    all_resources["devices"] = devices::rules(isolation, &devices);
    let capabilities = if isolation.privileged { CapabilitySet::ALL } else { isolation.capabilities };
    let mut program = process(&container.process, capabilities, isolation.no_new_privileges);
    let (rows, columns) = places.console_size;
    if container.process.terminal && rows > 0 && columns > 0 {
        program["consoleSize"] = json!({"height": rows, "width": columns});
    }
    if let Some(profile) = &isolation.apparmor {
        program["apparmorProfile"] = json!(profile);
    }
    let mut specification = json!({
        "ociVersion": VERSION,
        "process": program,
        "root": {"path": places.root.display().to_string(), "readonly": isolation.read_only_root},
        "mounts": mounts,
        "annotations": places.annotations,
        "linux": {
            "namespaces": namespaces(isolation, places.network.as_deref()),
            "maskedPaths": masked,
            "readonlyPaths": read_only,
            "sysctl": sysctls(isolation),
            "devices": devices,
            "resources": all_resources,
            "seccomp": if isolation.privileged { Value::Null } else { isolation.seccomp.to_oci(capabilities) },
        },
    });
    // A hostname can only be set in a UTS namespace of its own.
    if let (Some(name), Namespace::Own) = (&isolation.hostname, isolation.namespaces.uts) {
        specification["hostname"] = json!(name);
    }
    if let Some(cgroup) = &places.cgroup {
        specification["linux"]["cgroupsPath"] = json!(cgroup);
    }
    Ok(specification)
}

/// The program and its rights; used by itself for another program in a running container.
pub fn process(process: &Process, capabilities: CapabilitySet, no_new_privileges: bool) -> Value {
    let text = |word: &std::ffi::OsString| word.to_string_lossy().into_owned();
    let names = capabilities.names();
    // A user other than root has no effective capabilities, as when rbuild starts the program itself.
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
        "noNewPrivileges": no_new_privileges,
        "oomScoreAdj": process.oom_score_adjust.unwrap_or(0),
    })
}

/// This version of the specification has no field for the domain name, so it is set as a sysctl.
fn sysctls(isolation: &Isolation) -> BTreeMap<String, String> {
    let mut sysctls = isolation.usual_sysctls.clone();
    sysctls.extend(isolation.sysctls.clone());
    if let Some(domain) = &isolation.domainname {
        sysctls.insert("kernel.domainname".to_owned(), domain.clone());
    }
    sysctls
}

fn namespaces(isolation: &Isolation, network: Option<&str>) -> Vec<Value> {
    let mut all = vec![json!({"type": "mount"})];
    let of = &isolation.namespaces;
    let kinds =
        [("pid", "pid", of.pid), ("ipc", "ipc", of.ipc), ("uts", "uts", of.uts), ("cgroup", "cgroup", of.cgroup)];
    for (kind, file, namespace) in kinds {
        match namespace {
            Namespace::Own => all.push(json!({"type": kind})),
            Namespace::OfProcess(pid) => all.push(json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")})),
            Namespace::Host => {}
        }
    }
    match (network, &isolation.network) {
        (Some(path), _) => all.push(json!({"type": "network", "path": path})),
        (None, NetworkIsolation::Host) => {}
        (None, _) => all.push(json!({"type": "network"})),
    }
    all
}
