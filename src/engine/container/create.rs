//! Creates a container from the body of docker's `create` request.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{RequestError, check_resources, modes, mounts};
use crate::base::digest::DiffId;
use crate::base::io_error::chain;
use crate::base::{any_case, boolean, bytes, signal};
use crate::container::runtime::Runtime;
use crate::container::sandbox::{CapabilitySet, Profile};
use crate::container::{
    self, Attached, ContainerError, ContainerOptions, Containers, EndpointConfig, Entry, HostConfig,
    HostConfigDocument, Image, LayerFolder, LogConfig, LogDriver, MountKind, MountPoint, NamespaceMode, NetworkMode,
    RestartPolicy, SecurityRequest, endpoint_request,
};
use crate::engine::image::info;
use crate::image::{Healthcheck, Platform, RunConfig};
use crate::store::Store;
use crate::store::snapshot::Stack;

/// Networks in which users can't choose addresses.
const PREDEFINED: [&str; 4] = ["bridge", "default", "host", "none"];
/// Nanoseconds.
const LEAST_HEALTH_DURATION: i64 = 1_000_000;

/// The request.
#[non_exhaustive]
pub struct CreateRequest {
    /// `None` for a generated name.
    pub name: Option<String>,
    /// The required platform of the image.
    pub platform: Option<Platform>,
    /// docker's `ContainerConfig` with `HostConfig` and `NetworkingConfig`, without nulls.
    pub body: Value,
}

impl CreateRequest {
    /// A container with a name that is made up, for this machine.
    ///
    /// ```no_run
    /// use rbuild::engine::container::{CreateRequest, create};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = rbuild::engine::store::open("/var/lib/rbuild".as_ref())?;
    /// let body = serde_json::json!({"Image": "debian:12", "Cmd": ["true"]});
    /// let created = create(&store, CreateRequest::new(body))?;
    /// println!("{}", created.entry.record.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(body: Value) -> Self {
        Self { name: None, platform: None, body }
    }
}

/// A new container, with warnings for its user.
pub struct Created {
    /// The container.
    pub entry: Entry,
    /// What was requested but is not available here.
    pub warnings: Vec<String>,
}

/// The part of the body that is not also in an image's config.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Body {
    image: String,
    hostname: String,
    domainname: String,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    stop_timeout: Option<i64>,
    mac_address: String,
    /// docker-py sets it here instead of in `HostConfig`.
    runtime: String,
    host_config: HostConfigDocument,
    networking_config: NetworkingConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkingConfig {
    endpoints_config: BTreeMap<String, EndpointConfig>,
}

/// Creates the container; its image must be in the store.
pub fn create(store: &Store, request: CreateRequest) -> Result<Created, RequestError> {
    let wrong = |error: serde_json::Error| RequestError::refused(format!("invalid JSON: {error}"));
    let body: Body = any_case::read(request.body.clone()).map_err(wrong)?;
    let run: RunConfig = any_case::read(request.body.clone()).map_err(wrong)?;
    if body.image.is_empty() {
        return Err(RequestError::refused("invalid reference format"));
    }
    let has_entrypoint = request.body.get("Entrypoint").is_some();
    let image = find_image(store, &body.image, request.platform.as_ref())?;
    let mut warnings = Vec::new();
    let has_command = !run.cmd.is_empty();
    let names_no_entrypoint = run.entrypoint.is_empty();
    let mut options = options(body, run, has_entrypoint, &mut warnings)?;
    if !has_command && names_no_entrypoint {
        // An empty list takes the image's entrypoint away, and not its command; the CLI says `[""]` for both.
        options.command = image.config.cmd.clone();
    }
    options.name = request.name;
    find_mounted(store, &mut options.mounts)?;
    let entry = container::create(&Containers::of(store.root()), &image, &options)?;
    Ok(Created { entry, warnings })
}

/// An image in the store, as needed for a container.
pub fn find_image(store: &Store, name: &str, platform: Option<&Platform>) -> Result<Image, RequestError> {
    let found = store.find_image(name)?;
    let config = info::read_config(store, &found.id)?.into_value();
    if let Some(wanted) = platform
        && wanted.normalized() != config.platform.normalized()
    {
        return Err(RequestError::OtherPlatform {
            name: name.to_owned(),
            wanted: wanted.to_string(),
            actual: config.platform.to_string(),
        });
    }
    let layers = unpacked(store, &config.rootfs.diff_ids)?;
    Ok(Image {
        id: found.id.to_string(),
        name: name.to_owned(),
        platform: config.platform.os.clone(),
        layers,
        config: config.config,
    })
}

/// Finds the images of image mounts.
pub fn find_mounted(store: &Store, mounts: &mut [MountPoint]) -> Result<(), RequestError> {
    for mount in mounts.iter_mut().filter(|mount| mount.kind == MountKind::Image) {
        let found = store.find_image(&mount.name)?;
        let config = info::read_config(store, &found.id)?;
        mount.image.id = found.id.to_string();
        mount.image.layers = unpacked(store, &config.rootfs.diff_ids)?;
    }
    Ok(())
}

fn unpacked(store: &Store, layers: &[DiffId]) -> Result<Vec<LayerFolder>, ContainerError> {
    LayerFolder::all(Stack::of_image(layers).unpacked(store)?)
}

/// Refuses what only networks that people made can give.
fn check_predefined(name: &str, config: &EndpointConfig) -> Result<(), RequestError> {
    let refuse = |text: &str| {
        let text = format!("invalid config for network {name}: invalid endpoint settings:\n{text}");
        Err(RequestError::refused(text))
    };
    if has_address(config) {
        return refuse(
            "* user specified IP address is supported on user defined networks only\n* user specified IP address is \
             supported only when connecting to networks with user configured subnets",
        );
    }
    if !config.aliases.is_empty() {
        return refuse("network-scoped alias is supported only for containers in user defined networks");
    }
    Ok(())
}

fn has_address(config: &EndpointConfig) -> bool {
    config.ipam_config.as_ref().is_some_and(|ipam| !ipam.ipv4_address.is_empty() || !ipam.ipv6_address.is_empty())
}

fn check_network(name: &str, config: &EndpointConfig) -> Result<(), RequestError> {
    let refused = |error| RequestError::refused(format!("invalid config for network {name}: {}", chain(&error)));
    endpoint_request(name, config, &[]).map_err(refused)?;
    if PREDEFINED.contains(&name) { check_predefined(name, config) } else { Ok(()) }
}

fn warn(host: &HostConfig, warnings: &mut Vec<String>) {
    if host.network_mode == NetworkMode::Host && (host.publish_all_ports || !host.port_bindings.is_empty()) {
        warnings.push("Published ports are discarded when using host network mode".to_owned());
    }
    if host.resources.oom_kill_disable == Some(true) && host.resources.memory == 0 {
        let text = "OOM killer is disabled for the container, but no memory limit is set, this can result in the system \
                    running out of resources.";
        warnings.push(text.to_owned());
    }
}

fn options(
    body: Body,
    run: RunConfig,
    has_entrypoint: bool,
    warnings: &mut Vec<String>,
) -> Result<ContainerOptions, RequestError> {
    let mut host = HostConfig::try_from(body.host_config).map_err(|error| RequestError::refused(error.to_string()))?;
    if host.runtime.is_empty() {
        host.runtime = body.runtime;
    }
    check_config(&run)?;
    settle(&mut host)?;
    let networks = networks(&mut host, body.networking_config.endpoints_config, &body.mac_address);
    if !body.mac_address.is_empty() {
        let text = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig \
                    instead.";
        warnings.push(text.to_owned());
    }
    networks.iter().try_for_each(|(name, config)| check_network(name, config))?;
    warn(&host, warnings);
    if host.network_mode.container().is_some() && !body.hostname.is_empty() {
        return Err(RequestError::refused("conflicting options: hostname and the network mode"));
    }
    if host.uts_mode == NamespaceMode::Host && !(body.hostname.is_empty() && body.domainname.is_empty()) {
        return Err(RequestError::refused("conflicting options: hostname and the UTS mode"));
    }
    if host.annotations.keys().any(|key| key.trim().is_empty()) {
        return Err(RequestError::refused(
            "invalid Annotations: the empty string is not permitted as an annotation key",
        ));
    }
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let (places, without_name) = places(&host, &run)?;
    let mut exposed_ports = run.exposed_ports;
    exposed_ports.extend(host.port_bindings.keys().cloned());
    Ok(ContainerOptions {
        name: None,
        command: run.cmd,
        entrypoint: Some(run.entrypoint).filter(|_| has_entrypoint).map(without_empty),
        environment: run.env,
        user: given(run.user),
        directory: given(cleaned_folder(&run.working_dir)),
        hostname: given(body.hostname),
        domainname: given(body.domainname),
        labels: run.labels,
        exposed_ports,
        terminal: body.tty,
        open_stdin: body.open_stdin,
        attach: Attached { stdin: body.attach_stdin, stdout: body.attach_stdout, stderr: body.attach_stderr },
        stdin_once: body.stdin_once,
        stop_signal: given(run.stop_signal),
        stop_timeout: body.stop_timeout,
        healthcheck: run.healthcheck,
        host,
        mounts: places,
        volumes: without_name,
        networks,
    })
}

/// Without needless parts, as docker keeps it.
fn cleaned_folder(text: &str) -> String {
    let mut clean = std::path::PathBuf::new();
    for part in std::path::Path::new(text).components() {
        match part {
            std::path::Component::ParentDir => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean.display().to_string()
}

/// The CLI sends `[""]` for an empty list.
fn without_empty(words: Vec<String>) -> Vec<String> {
    if words == [""] { Vec::new() } else { words }
}

fn check_config(run: &RunConfig) -> Result<(), RequestError> {
    let refuse = |text: String| Err(RequestError::refused(text));
    let folder = &run.working_dir;
    if !folder.is_empty() && !folder.starts_with('/') {
        return refuse(format!("the working directory '{folder}' is invalid, it needs to be an absolute path"));
    }
    if !run.stop_signal.is_empty() && !signal::is_accepted(&run.stop_signal) {
        return refuse(format!("invalid signal: {}", run.stop_signal));
    }
    if let Some(entry) = run.env.iter().find(|entry| entry.split('=').next().is_none_or(str::is_empty)) {
        return refuse(format!("invalid environment variable: {entry}"));
    }
    run.healthcheck.as_ref().map_or(Ok(()), check_health)
}

fn check_health(check: &Healthcheck) -> Result<(), RequestError> {
    let durations = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ];
    for (name, duration) in durations {
        if duration != 0 && duration < LEAST_HEALTH_DURATION {
            return Err(RequestError::refused(format!("{name} in Healthcheck cannot be less than 1ms")));
        }
    }
    if check.retries < 0 {
        return Err(RequestError::refused("Retries in Healthcheck cannot be negative"));
    }
    Ok(())
}

/// Checks the host configuration, and sets docker's defaults for what is unset.
fn settle(host: &mut HostConfig) -> Result<(), RequestError> {
    check_capabilities("CapAdd", &host.cap_add)?;
    check_capabilities("CapDrop", &host.cap_drop)?;
    check_resources(&host.resources)?;
    let resources = &mut host.resources;
    if resources.memory != 0 && resources.memory_swap == 0 {
        // As much swap as memory, as without a word the kernel would give.
        resources.memory_swap = i64::try_from(resources.memory.saturating_mul(2)).unwrap_or(i64::MAX);
    }
    resources.pids_limit = resources.pids_limit.filter(|limit| *limit > 0);
    modes::check(host)?;
    if host.auto_remove && host.restart_policy != RestartPolicy::No {
        return Err(RequestError::refused("can't create 'AutoRemove' container with restart policy"));
    }
    check_log(&host.log_config)?;
    if !(-1000..=1000).contains(&host.oom_score_adj) {
        let text = format!("invalid value {}, range for oom score adj is [-1000, 1000]", host.oom_score_adj);
        return Err(RequestError::refused(text));
    }
    let found = Runtime::find(&host.runtime).map_err(ContainerError::from)?;
    host.runtime = found.map(|runtime| runtime.lasting_name()).unwrap_or_default();
    for device in &mut host.resources.devices {
        if device.path_in_container.is_empty() {
            device.path_in_container = device.path_on_host.clone();
        }
        if device.cgroup_permissions.is_empty() {
            device.cgroup_permissions = "rwm".to_owned();
        }
    }
    if !host.storage_opt.is_empty() {
        return Err(RequestError::refused("the size of a container's root filesystem can't be limited here"));
    }
    for option in &host.security {
        if let SecurityRequest::SeccompProfile(profile) = option.request() {
            Profile::of_file(std::path::Path::new("seccomp"), profile.as_bytes()).map_err(ContainerError::from)?;
        }
    }
    Ok(())
}

fn check_capabilities(field: &str, names: &[String]) -> Result<(), RequestError> {
    let is_unknown = |name: &&String| CapabilitySet::adjusted(std::slice::from_ref(name), &[]).is_err();
    match names.iter().find(is_unknown) {
        None => Ok(()),
        Some(name) => {
            let name = name.to_uppercase();
            let name = name.trim_start_matches("CAP_");
            Err(RequestError::refused(format!("invalid {field}: unknown capability: \"CAP_{name}\"")))
        }
    }
}

/// Refuses options that would be ignored: each driver has its own.
pub fn check_log(log: &LogConfig) -> Result<(), RequestError> {
    let driver = log.driver.as_str();
    if log.driver == LogDriver::None && !log.config.is_empty() {
        return Err(RequestError::refused("invalid logging opts for driver none"));
    }
    for (key, value) in &log.config {
        let is_right = match key.as_str() {
            "max-size" => bytes(value).is_ok() || value == "-1",
            "max-file" => value.parse::<u32>().is_ok_and(|count| count > 0),
            "compress" => boolean(value).is_some(),
            "mode" => matches!(value.as_str(), "blocking" | "non-blocking"),
            "max-buffer-size" => bytes(value).is_ok(),
            "labels" | "labels-regex" | "env" | "env-regex" | "tag" if log.driver == LogDriver::JsonFile => true,
            other => return Err(RequestError::refused(format!("unknown log opt '{other}' for {driver} log driver"))),
        };
        if !is_right {
            return Err(RequestError::refused(format!("invalid value for log opt '{key}': {value}")));
        }
    }
    Ok(())
}

/// The networks by name. If no mode was set, the first of them becomes the mode.
fn networks(
    host: &mut HostConfig,
    mut endpoints: BTreeMap<String, EndpointConfig>,
    mac_address: &str,
) -> BTreeMap<String, EndpointConfig> {
    if let Some(endpoint) = endpoints.remove("default") {
        endpoints.insert("bridge".to_owned(), endpoint);
    }
    if host.network_mode == NetworkMode::Usual {
        let first = endpoints.keys().next().filter(|_| !endpoints.contains_key("bridge"));
        host.network_mode = NetworkMode::of(first.map_or("bridge", String::as_str));
    }
    if let Some(network) = host.network_mode.network().filter(|_| !mac_address.is_empty()) {
        endpoints.entry(network.to_owned()).or_default().mac_address = mac_address.to_owned();
    }
    endpoints
}

type Places = (Vec<MountPoint>, std::collections::BTreeSet<String>);

/// All mounts, and where anonymous volumes are requested.
fn places(host: &HostConfig, run: &RunConfig) -> Result<Places, RequestError> {
    let driver = if host.volume_driver.is_empty() { "local" } else { &host.volume_driver };
    let mut all = Vec::new();
    for bind in host.binds.iter().filter(|bind| !mounts::is_place(bind)) {
        all.push(mounts::volume(bind, driver)?);
    }
    for mount in &host.mounts {
        all.push(mounts::mount_of(mount)?);
    }
    for (place, options) in &host.tmpfs {
        all.push(mounts::memory(&format!("{place}:{options}"))?);
    }
    for (index, mount) in all.iter().enumerate() {
        mounts::check_place(mount)?;
        if all[..index].iter().any(|other| other.destination == mount.destination) {
            let text = format!("Duplicate mount point: {}", mount.destination.display());
            return Err(RequestError::refused(text));
        }
    }
    let mut own = run.volumes.clone();
    own.extend(host.binds.iter().filter(|bind| mounts::is_place(bind)).cloned());
    Ok((all, own))
}
