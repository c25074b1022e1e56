//! From an image and options to a container that can be started, now or after a reboot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;

use super::chroot;
use super::directory::{Containers, Entry, Reserved};
use super::error::ContainerError;
use super::host_config::{HostConfig, NamespaceMode, NetworkMode};
use super::layer_folder::LayerFolder;
use super::mounts::{MountKind, MountPoint};
use super::options::ContainerOptions;
use super::record::{ContainerConfig, EndpointConfig, Record};
use super::state::State;
use super::volumes;
use crate::container::network::BRIDGE;
use crate::image::{Healthcheck, RunConfig};

/// The image of a container.
#[derive(Debug, Clone)]
pub struct Image {
    /// `sha256:...`
    pub id: String,
    /// The name by which it was given.
    pub name: String,
    /// The image's platform.
    pub platform: String,
    /// What the image says of its containers.
    pub config: RunConfig,
    /// Its unpacked layers, lowest first.
    pub layers: Vec<LayerFolder>,
}

/// Creates a container: its folder, name and record. Its volumes are created first; its networks are connected when it
/// starts (see `wiring`).
pub fn create(containers: &Containers, image: &Image, options: &ContainerOptions) -> Result<Entry, ContainerError> {
    let run = merge(&image.config, options);
    let arguments: Vec<String> = run.entrypoint.iter().chain(&run.cmd).cloned().collect();
    let Some((program, rest)) = arguments.split_first() else { return Err(ContainerError::NoCommand) };
    let reserved = containers.reserve(options.name.as_deref())?;
    let made = record(containers, image, options, run, &reserved).and_then(|mut record| {
        record.path = program.clone();
        record.args = rest.to_vec();
        record.write(&reserved.path.join(super::directory::RECORD))?;
        Ok(record)
    });
    match made {
        Ok(record) => {
            super::events::add(containers, &record, "create", &[]);
            Ok(Entry { record, state: State::default(), is_running: false, path: reserved.path.clone() })
        }
        Err(error) => {
            // This error matters more. A folder that stays behind is not a container, but it would keep the name.
            let _ = containers.remove_own(&reserved.id);
            Err(error)
        }
    }
}

fn record(
    containers: &Containers,
    image: &Image,
    options: &ContainerOptions,
    run: RunConfig,
    reserved: &Reserved,
) -> Result<Record, ContainerError> {
    let mut host = options.host.clone();
    if host.network_mode == NetworkMode::Usual {
        host.network_mode = NetworkMode::Network(BRIDGE.to_owned());
    }
    let in_chroot = chroot::settle(options, &mut host)?;
    super::links::check(&host.links, containers)?;
    super::namespaces::check(&host, containers)?;
    let mut mounts = options.mounts.clone();
    mounts.extend(volumes::from_others(containers, &host.volumes_from, &mounts)?);
    if !in_chroot {
        mounts.extend(own_volumes(&run, &host.volume_driver, &mounts));
    }
    for mount in mounts.iter().filter(|mount| mount.kind == MountKind::Bind && !mount.create_source) {
        // It is looked up again when it is mounted.
        volumes::bind_source(mount)?;
    }
    volumes::resolve(containers, &mut mounts)?;
    mounts.sort_by_key(|mount| mount.destination.components().count());
    Ok(Record {
        id: reserved.id.clone(),
        name: format!("/{}", reserved.name),
        created: Timestamp::now(),
        path: String::new(),
        args: Vec::new(),
        image: image.id.clone(),
        platform: image.platform.clone(),
        config: config(image, options, run, &hostname(options, &host, &reserved.id)),
        networks: networks(if in_chroot { BTreeMap::new() } else { options.networks.clone() }, &host.network_mode),
        host_config: host,
        mounts,
        layers: image.layers.clone(),
    })
}

fn config(image: &Image, options: &ContainerOptions, run: RunConfig, hostname: &str) -> ContainerConfig {
    ContainerConfig {
        hostname: hostname.to_owned(),
        domainname: options.domainname.clone().unwrap_or_default(),
        attach_stdin: options.attach.stdin,
        attach_stdout: options.attach.stdout,
        attach_stderr: options.attach.stderr,
        tty: options.terminal,
        open_stdin: options.open_stdin,
        stdin_once: options.stdin_once,
        image: image.name.clone(),
        stop_timeout: options.stop_timeout,
        run,
    }
}

/// The image's config, overridden by the user's options.
fn merge(image: &RunConfig, options: &ContainerOptions) -> RunConfig {
    let mut config = image.clone();
    // Docker leaves things like the host name and streams of the container that made the image in an image's config.
    config.extra.clear();
    if let Some(entrypoint) = &options.entrypoint {
        // The image's command was meant for the image's entrypoint.
        config.entrypoint = entrypoint.clone();
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
    config.exposed_ports.extend(options.exposed_ports.iter().cloned());
    config.env = merge_environment(&image.env, &options.environment);
    config.volumes.extend(options.volumes.iter().cloned());
    if let Some(own) = &options.healthcheck {
        config.healthcheck = Some(merge_healthcheck(config.healthcheck.as_ref(), own));
    }
    config
}

/// The user's variables, and those of the image that the user does not set. A name without a value stays: it also
/// unsets what docker sets.
fn merge_environment(image: &[String], own: &[String]) -> Vec<String> {
    let name_of = |entry: &String| entry.split('=').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = own.iter().map(name_of).collect();
    own.iter().chain(image.iter().filter(|entry| !names.contains(&name_of(entry)))).cloned().collect()
}

fn merge_healthcheck(image: Option<&Healthcheck>, own: &Healthcheck) -> Healthcheck {
    let Some(image) = image else { return own.clone() };
    let number = |own: i64, image: i64| if own == 0 { image } else { own };
    Healthcheck {
        test: if own.test.is_empty() { image.test.clone() } else { own.test.clone() },
        interval: number(own.interval, image.interval),
        timeout: number(own.timeout, image.timeout),
        start_period: number(own.start_period, image.start_period),
        start_interval: number(own.start_interval, image.start_interval),
        retries: number(own.retries, image.retries),
        extra: BTreeMap::new(),
    }
}

fn hostname(options: &ContainerOptions, settled: &HostConfig, id: &str) -> String {
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    match &options.hostname {
        Some(name) => name.clone(),
        None if settled.network_mode == NetworkMode::Host
            || settled.uts_mode == NamespaceMode::Host
            || settled.isolation.without_namespaces().is_some() =>
        {
            host()
        }
        None => id.get(..12).unwrap_or(id).to_owned(),
    }
}

/// The requested networks, which always include the one of the network mode.
fn networks(mut asked: BTreeMap<String, EndpointConfig>, mode: &NetworkMode) -> BTreeMap<String, EndpointConfig> {
    if let Some(network) = mode.network() {
        asked.entry(network.to_owned()).or_default();
    }
    asked
}

/// The image's volumes and the user's anonymous ones, where nothing else is mounted.
fn own_volumes(config: &RunConfig, driver: &str, given: &[MountPoint]) -> Vec<MountPoint> {
    let driver = if driver.is_empty() { "local" } else { driver };
    let mut targets: Vec<PathBuf> = Vec::new();
    for target in config.volumes.iter().map(|path| cleaned(path)) {
        if !targets.contains(&target) && given.iter().all(|mount| mount.destination != target) {
            targets.push(target);
        }
    }
    let volume = |destination| MountPoint {
        kind: MountKind::Volume,
        destination,
        driver: driver.to_owned(),
        writable: true,
        ..MountPoint::default()
    };
    targets.into_iter().map(volume).collect()
}

/// Cleans the path lexically, as docker does.
fn cleaned(path: &str) -> PathBuf {
    let mut cleaned = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => drop(cleaned.pop()),
            _ => {}
        }
    }
    cleaned
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
            entrypoint: entrypoint.map(|text| words(&[text]).into_iter().filter(|word| !word.is_empty()).collect()),
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
        assert_eq!(merge(&image, &options).env, ["A=user", "B"]);
    }

    #[test]
    fn volumes_have_clean_places() {
        let config = RunConfig {
            volumes: ["/p/", "/q/../r", "p", "/taken"].map(str::to_owned).into_iter().collect(),
            ..RunConfig::default()
        };
        let taken = MountPoint { destination: "/taken".into(), ..MountPoint::default() };
        let places: Vec<PathBuf> =
            own_volumes(&config, "", &[taken]).into_iter().map(|mount| mount.destination).collect();
        assert_eq!(places, [Path::new("/p"), Path::new("/r")]);
    }

    #[test]
    fn a_healthcheck_is_changed_field_by_field() {
        let image = Healthcheck { test: vec!["CMD".into(), "a".into()], retries: 5, ..Healthcheck::default() };
        let own = Healthcheck { interval: 7, ..Healthcheck::default() };
        let merged = merge_healthcheck(Some(&image), &own);
        assert_eq!((merged.test.len(), merged.interval, merged.retries), (2, 7, 5));
    }

    #[test]
    fn what_docker_left_in_an_images_config_is_nothing_to_a_container() {
        let left =
            r#"{"Hostname":"abc","AttachStderr":true,"Tty":false,"Image":"sha256:1","Cmd":["sh"],"Env":["A=1"]}"#;
        let image: RunConfig = serde_json::from_str(left).unwrap();
        let run = merge(&image, &ContainerOptions::default());
        let config = ContainerConfig { hostname: "own".to_owned(), run, ..ContainerConfig::default() };
        let read: ContainerConfig = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!((read.hostname.as_str(), read.run.cmd), ("own", vec!["sh".to_owned()]));
    }
}
