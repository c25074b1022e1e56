//! From an image and options to a container, and through its life in the foreground.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::attach::{self, Streams};
use super::directory::{Containers, Reserved};
use super::error::ContainerError;
use super::options::{ContainerOptions, VolumeMount, VolumeSource};
use super::record::{Record, State};
use crate::image::{RunConfig, SCRATCH_PATH};
use crate::io_error::AtPath;
use crate::network::{Hosts, Network, NetworkNamespace};
use crate::sandbox::{
    self, Container, Isolation, Mount, MountSource, NetworkIsolation, Outcome, Process, Rootfs, Stack,
};
use crate::snapshot::{Draft, ProcessUser, View, process_user};

/// What a container is made of.
#[derive(Debug, Clone)]
pub struct Image {
    /// `sha256:...`
    pub id: String,
    /// How it was named.
    pub name: String,
    pub config: RunConfig,
    /// Its unpacked layers, the lowest first.
    pub layers: Vec<PathBuf>,
}

/// A container that was run to its end.
#[derive(Debug)]
pub struct Ended {
    pub id: String,
    pub outcome: Outcome,
}

/// Makes a container, runs it in the foreground, and keeps or removes it. `network` is a namespace for it when it is
/// to have the default network. `identified` is told its ID before the program starts.
pub fn run(
    containers: &Containers,
    image: &Image,
    options: &ContainerOptions,
    network: Option<&NetworkNamespace>,
    identified: impl FnOnce(&str) -> Result<(), ContainerError>,
) -> Result<Ended, ContainerError> {
    let config = merge(&image.config, options);
    let arguments: Vec<String> = config.entrypoint.iter().chain(&config.cmd).cloned().collect();
    let Some((program, rest)) = arguments.split_first() else { return Err(ContainerError::NoCommand) };
    let reserved = containers.reserve(options.name.as_deref(), options.remove)?;
    let hostname = hostname(options, &reserved.id);
    let mut record = Record {
        id: reserved.id.clone(),
        name: format!("/{}", reserved.name),
        created: Timestamp::now(),
        path: program.clone(),
        args: rest.to_vec(),
        image: image.id.clone(),
        state: State { status: "created".to_owned(), ..State::default() },
        image_name: image.name.clone(),
        hostname: hostname.clone(),
        tty: options.terminal,
        open_stdin: options.interactive,
        auto_remove: options.remove,
        network_mode: format!("{:?}", options.network.network).to_ascii_lowercase(),
        privileged: options.privileged,
        read_only: options.read_only,
        layers: image.layers.iter().map(|layer| layer.display().to_string()).collect(),
        config: config.clone(),
    };
    record.write(&reserved.record_path())?;
    let result = identified(&reserved.id)
        .and_then(|()| prepare(&reserved, image, &config, options, &Surroundings { hostname: &hostname, network }))
        .and_then(|container| execute(&container, options, &reserved, &mut record));
    finish(containers, &reserved, record, result)
}

fn execute(
    container: &Container,
    options: &ContainerOptions,
    reserved: &Reserved,
    record: &mut Record,
) -> Result<Outcome, ContainerError> {
    let streams = Streams { interactive: options.interactive, proxy_signals: true };
    attach::run(container, streams, |running| {
        record.state.status = "running".to_owned();
        record.state.pid = running.pid();
        record.state.started_at = Some(Timestamp::now());
        record.write(&reserved.record_path())
    })
}

/// Writes down how it ended, or removes it. When that fails too, the first error counts.
fn finish(
    containers: &Containers,
    reserved: &Reserved,
    mut record: Record,
    result: Result<Outcome, ContainerError>,
) -> Result<Ended, ContainerError> {
    if record.auto_remove {
        let removed = containers.remove_own(reserved);
        let outcome = result?;
        removed?;
        return Ok(Ended { id: record.id, outcome });
    }
    let started = record.state.started_at;
    record.state = match &result {
        Ok(outcome) => State {
            status: "exited".to_owned(),
            exit_code: outcome.status.code(),
            oom_killed: outcome.out_of_memory,
            ..State::default()
        },
        Err(error) => State {
            status: "created".to_owned(),
            exit_code: error.exit_code(),
            error: error.to_string(),
            ..State::default()
        },
    };
    record.state.started_at = started;
    record.state.finished_at = Some(Timestamp::now());
    let written = record.write(&reserved.record_path());
    let outcome = result?;
    written?;
    Ok(Ended { id: record.id, outcome })
}

/// The image's config, with what the user said instead.
fn merge(image: &RunConfig, options: &ContainerOptions) -> RunConfig {
    let mut config = image.clone();
    if let Some(entrypoint) = &options.entrypoint {
        // The image's command was meant for the image's entrypoint.
        config.entrypoint = Some(entrypoint).filter(|text| !text.is_empty()).cloned().into_iter().collect();
        config.cmd = Vec::new();
    }
    if !options.command.is_empty() {
        config.cmd = options.command.clone();
    }
    if let Some(user) = &options.user {
        config.user = user.clone();
    }
    if let Some(directory) = &options.directory {
        config.working_dir = directory.clone();
    }
    if let Some(signal) = &options.stop_signal {
        config.stop_signal = signal.clone();
    }
    config.labels.extend(options.labels.clone());
    for variable in &options.environment {
        match variable.split_once('=') {
            Some((name, value)) => config.set_env(name, value),
            None => config.env.retain(|entry| entry.split('=').next() != Some(variable)),
        }
    }
    config
}

/// What of the outside world a container's files tell it.
struct Surroundings<'a> {
    hostname: &'a str,
    network: Option<&'a NetworkNamespace>,
}

fn prepare(
    reserved: &Reserved,
    image: &Image,
    config: &RunConfig,
    options: &ContainerOptions,
    surroundings: &Surroundings<'_>,
) -> Result<Container, ContainerError> {
    let view = View::open(&image.layers)?;
    let user = process_user(&view, &config.user)?;
    let (upper, work) = (reserved.path.join("upper"), reserved.path.join("work"));
    for folder in [&upper, &work] {
        std::fs::create_dir(folder).at("create", folder)?;
    }
    // The upper folder is the merged root: it has to look like the one below.
    Draft::new(&image.layers, &upper)?.finish()?;
    let stack = Stack { lower: image.layers.clone(), upper: Some(upper), work: Some(work), volatile: options.remove };
    let mut mounts = network_files(options, surroundings)?;
    let mut volumes = options.mounts.clone();
    volumes.extend(image_volumes(config, &volumes));
    // What is inside another comes after it.
    volumes.sort_by_key(|volume| volume.target.components().count());
    for (number, volume) in volumes.iter().enumerate() {
        mounts.push(mount(volume, image, &view, &reserved.path.join("volumes").join(number.to_string()))?);
    }
    Ok(Container {
        rootfs: Rootfs::Overlay(stack),
        mounts,
        process: process(config, options, &view, user, surroundings.hostname)?,
        isolation: isolation(options, surroundings),
    })
}

fn process(
    config: &RunConfig,
    options: &ContainerOptions,
    view: &View,
    mut user: ProcessUser,
    hostname: &str,
) -> Result<Process, ContainerError> {
    for group in &options.groups {
        user.groups.push(process_user(view, &format!("0:{group}"))?.gid);
    }
    let directory = if config.working_dir.is_empty() { "/" } else { &config.working_dir };
    Ok(Process {
        arguments: config.entrypoint.iter().chain(&config.cmd).map(OsString::from).collect(),
        environment: environment(config, options, &user.home, hostname),
        directory: Path::new("/").join(directory),
        create_directory: true,
        user: sandbox::User { uid: user.uid, gid: user.gid, groups: user.groups },
        terminal: options.terminal,
        limits: options.resource_limits.clone(),
        oom_score_adjust: options.oom_score_adjust,
        init: options.init,
    })
}

fn isolation(options: &ContainerOptions, surroundings: &Surroundings<'_>) -> Isolation {
    let usual = Isolation::default();
    let network = match (options.network.network, surroundings.network) {
        (Network::Host, _) => NetworkIsolation::Host,
        (Network::Default, Some(namespace)) => NetworkIsolation::Namespace(namespace.descriptor()),
        _ => NetworkIsolation::Empty,
    };
    Isolation {
        hostname: Some(surroundings.hostname.to_owned()),
        domainname: options.domainname.clone(),
        network,
        capabilities: options.capabilities,
        seccomp: options.seccomp.clone(),
        no_new_privileges: options.no_new_privileges,
        privileged: options.privileged,
        read_only_root: options.read_only,
        shm_size: options.shm_size.unwrap_or(usual.shm_size),
        sysctls: options.sysctls.clone(),
        limits: options.limits.clone(),
    }
}

/// docker's own variables, the image's and the user's, and HOME if none of them has it.
fn environment(config: &RunConfig, options: &ContainerOptions, home: &str, hostname: &str) -> Vec<OsString> {
    let mut own = vec![format!("PATH={SCRATCH_PATH}"), format!("HOSTNAME={hostname}")];
    if options.terminal {
        own.push("TERM=xterm".to_owned());
    }
    let name_of = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let set: BTreeSet<String> = config.env.iter().map(|entry| name_of(entry)).collect();
    own.retain(|entry| !set.contains(&name_of(entry)));
    if !set.contains("HOME") {
        own.push(format!("HOME={home}"));
    }
    own.iter().chain(&config.env).map(OsString::from).collect()
}

fn hostname(options: &ContainerOptions, id: &str) -> String {
    match (&options.hostname, options.network.network) {
        (Some(name), _) => name.clone(),
        (None, Network::Host) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (None, _) => id.get(..12).unwrap_or(id).to_owned(),
    }
}

fn network_files(options: &ContainerOptions, surroundings: &Surroundings<'_>) -> Result<Vec<Mount>, ContainerError> {
    let is_host = options.network.network == Network::Host;
    let address = surroundings.network.and_then(NetworkNamespace::address);
    let hosts = Hosts {
        own: address.map(|address| (address, surroundings.hostname.to_owned())),
        added: options.network.hosts.clone(),
        host_gateway: match surroundings.network {
            Some(namespace) => namespace.host_gateway().map(Into::into),
            None => is_host.then(|| std::net::Ipv4Addr::LOCALHOST.into()),
        },
    };
    let file = |target: &str, content: String| Mount {
        target: target.into(),
        source: MountSource::File { content: content.into_bytes(), mode: 0o644, uid: 0, gid: 0 },
        read_only: false,
    };
    Ok(vec![
        file("/etc/resolv.conf", options.network.name_servers.file(is_host)?),
        file("/etc/hostname", format!("{}\n", surroundings.hostname)),
        file("/etc/hosts", hosts.file()?),
    ])
}

/// The image's volumes that the user has not put something at.
fn image_volumes(config: &RunConfig, given: &[VolumeMount]) -> Vec<VolumeMount> {
    let is_free = |target: &PathBuf| given.iter().all(|mount| mount.target != *target);
    let targets = config.volumes.iter().map(|path| Path::new("/").join(path)).filter(is_free);
    targets.map(|target| VolumeMount { target, source: VolumeSource::Anonymous, read_only: false }).collect()
}

fn mount(volume: &VolumeMount, image: &Image, view: &View, place: &Path) -> Result<Mount, ContainerError> {
    let source = match &volume.source {
        VolumeSource::Tmpfs(options) => MountSource::Tmpfs(options.clone()),
        VolumeSource::Bind { path, create, recursive } => {
            if !path.exists() {
                if !create {
                    return Err(ContainerError::NoBindSource { path: path.clone() });
                }
                std::fs::create_dir_all(path).at("create", path)?;
            }
            MountSource::Bind { path: path.clone(), recursive: *recursive }
        }
        VolumeSource::Anonymous => anonymous(&volume.target, image, view, place)?,
    };
    Ok(Mount { target: volume.target.clone(), source, read_only: volume.read_only })
}

/// A volume that begins with what the image has at that place: the image's layers once more, with an upper folder of
/// their own. Nothing is copied.
fn anonymous(target: &Path, image: &Image, view: &View, place: &Path) -> Result<MountSource, ContainerError> {
    let relative = target.strip_prefix("/").unwrap_or(target);
    let folder = |name: &str| -> Result<PathBuf, ContainerError> {
        let path = place.join(name);
        std::fs::create_dir_all(&path).at("create", &path)?;
        Ok(path)
    };
    let resolved = view.resolve(Path::new(""), relative)?;
    if !view.lstat(&resolved)?.is_some_and(|entry| entry.is_dir()) {
        return Ok(MountSource::Bind { path: folder("data")?, recursive: false });
    }
    let upper = folder("upper")?;
    Draft::new(&image.layers, &upper)?.finish()?;
    let stack = Stack { lower: image.layers.clone(), upper: Some(upper), work: Some(folder("work")?), volatile: false };
    Ok(MountSource::Stack { stack, path: resolved })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(config: &RunConfig) -> Vec<&str> {
        config.entrypoint.iter().chain(&config.cmd).map(String::as_str).collect()
    }

    #[test]
    fn entrypoint_and_command() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let image = RunConfig { entrypoint: words(&["e", "1"]), cmd: words(&["c"]), ..RunConfig::default() };
        let options = |entrypoint: Option<&str>, command: &[&str]| ContainerOptions {
            entrypoint: entrypoint.map(str::to_owned),
            command: words(command),
            ..ContainerOptions::default()
        };
        for (entrypoint, command, expected) in [
            (None, vec![], vec!["e", "1", "c"]),
            (None, vec!["x", "y"], vec!["e", "1", "x", "y"]),
            (Some("n"), vec![], vec!["n"]),
            (Some("n"), vec!["x"], vec!["n", "x"]),
            (Some(""), vec!["x"], vec!["x"]),
        ] {
            assert_eq!(arguments(&merge(&image, &options(entrypoint, &command))), expected);
        }
    }

    #[test]
    fn variables() {
        let mut image = RunConfig::default();
        image.set_env("A", "image");
        image.set_env("B", "image");
        let options =
            ContainerOptions { environment: vec!["A=user".into(), "B".into()], ..ContainerOptions::default() };
        let config = merge(&image, &options);
        assert_eq!(config.env, ["A=user"]);
        let environment = environment(&config, &options, "/root", "box");
        assert_eq!(environment, [&format!("PATH={SCRATCH_PATH}"), "HOSTNAME=box", "HOME=/root", "A=user"]);
    }
}
