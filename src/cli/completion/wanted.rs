//! The kind of value that an option or an argument takes.

use clap::Arg;

/// The state that containers must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Any,
    Running,
    Stopped,
    Paused,
}

/// The kinds of objects, or a list of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Words(&'static [&'static str]),
    Containers(State),
    /// `container:NAME`
    ContainerReferences,
    Images,
    /// Builds in the history.
    Builds,
    Networks,
    Volumes,
    /// Anything with a name.
    Things,
    /// The stages of the Dockerfile.
    Stages,
    /// A local path, or `CONTAINER:PATH`.
    CopyPlaces,
    /// `KEY=VALUE`
    Filters,
    Capabilities,
    Signals,
    Files,
}

use Wanted::{
    Builds, Capabilities, ContainerReferences, Containers, CopyPlaces, Files, Filters, Images, Networks, Signals,
    Stages, Things, Volumes, Words,
};

const PLATFORMS: Wanted = Words(&[
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/386",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
]);
const PROGRESS: Wanted = Words(&["auto", "plain", "tty", "quiet", "none", "rawjson"]);
const CACHES: Wanted = Words(&["type=registry,ref=", "type=local,", "type=s3,", "type=inline"]);
const OUTPUTS: Wanted = Words(&[
    "type=docker",
    "type=image,",
    "type=oci,dest=",
    "type=local,dest=",
    "type=tar,dest=",
    "type=registry",
    "type=cacheonly",
]);
const SECURITY: Wanted = Words(&[
    "no-new-privileges",
    "seccomp=",
    "apparmor=",
    "label=disable",
    "landlock=unconfined",
    "systempaths=unconfined",
]);
const LIMITS: Wanted = Words(&[
    "core=",
    "cpu=",
    "data=",
    "fsize=",
    "locks=",
    "memlock=",
    "msgqueue=",
    "nice=",
    "nofile=",
    "nproc=",
    "rss=",
    "rtprio=",
    "rttime=",
    "sigpending=",
    "stack=",
]);
const LOG_OPTIONS: Wanted = Words(&["max-size=", "max-file=", "compress=", "labels=", "env=", "tag=", "mode="]);
const ENTITLEMENTS: Wanted = Words(&["network.host", "security.insecure", "device", "device=", "buildx.local.delete"]);

/// The kinds for an option; empty if unknown.
pub(super) fn of_option(path: &[&str], option: &Arg) -> Vec<Wanted> {
    let builds = path.last() == Some(&"build");
    match option.get_long().unwrap_or_default() {
        "target" if builds => vec![Stages],
        "network" | "net" if builds => vec![Words(&["default", "none", "host"])],
        "network" | "net" => vec![Networks, Words(&["container:"]), ContainerReferences],
        "restart" => vec![Words(&["no", "always", "unless-stopped", "on-failure", "on-failure:"])],
        "cap-add" | "cap-drop" => vec![Capabilities],
        "platform" => vec![PLATFORMS, Words(if builds { &["local"] } else { &[] })],
        "progress" => vec![PROGRESS],
        "format" if option.get_possible_values().is_empty() => vec![Words(&["json", "table", "{{json .}}"])],
        "filter" => vec![Filters],
        "signal" | "stop-signal" => vec![Signals],
        "volumes-from" | "link" => vec![Containers(State::Any)],
        "pid" => vec![Words(&["host"]), ContainerReferences],
        "ipc" => vec![Words(&["none", "private", "shareable", "host"]), ContainerReferences],
        "uts" => vec![Words(&["host"])],
        "userns" => vec![Words(&["host", "remap"])],
        "cgroupns" => vec![Words(&["host", "private"])],
        "isolation" => vec![Words(&["auto", "full", "chroot"])],
        "builder" => vec![Words(&["default"])],
        "log-driver" => vec![Words(&["json-file", "local", "none"])],
        "log-opt" => vec![LOG_OPTIONS],
        "log-level" => vec![Words(&["debug", "info", "warn", "error", "fatal"])],
        "runtime" => vec![Words(&["rbuild", "runc", "crun"])],
        "security-opt" => vec![SECURITY],
        "ulimit" => vec![LIMITS],
        "mount" => vec![Words(&["type=bind,", "type=volume,", "type=tmpfs,", "type=image,"])],
        "volume" => vec![Volumes, Files],
        "gpus" => vec![Words(&["all"])],
        "attach" => vec![Words(&["stdin", "stdout", "stderr"])],
        "cache-from" | "cache-to" => vec![CACHES],
        "output" if builds => vec![OUTPUTS],
        "allow" => vec![ENTITLEMENTS],
        "ssh" => vec![Words(&["default"])],
        "driver" if path.first() == Some(&"network") => vec![Words(&["bridge"])],
        "driver" => vec![Words(&["local"])],
        "env-file" | "label-file" | "cidfile" | "iidfile" | "metadata-file" | "secret" | "device" | "config"
        | "root" => {
            vec![Files]
        }
        _ => by_name(option),
    }
}

/// The kinds for an argument at position `place`.
pub(super) fn of_argument(path: &[&str], place: usize, argument: &Arg) -> Vec<Wanted> {
    let of_networks = path.first() == Some(&"network");
    match (path.last().copied().unwrap_or_default(), place) {
        _ if matches!(path, ["builds", ..] | ["buildx" | "builder", "history", ..]) => vec![Builds],
        ("start", _) => vec![Containers(State::Stopped)],
        ("stop" | "kill" | "pause" | "attach" | "top" | "stats" | "wait", _) | ("exec", 0) if !of_networks => {
            vec![Containers(State::Running)]
        }
        ("unpause", _) => vec![Containers(State::Paused)],
        ("cp", 0 | 1) => vec![CopyPlaces],
        ("run" | "create", 0) if !matches!(path.first(), Some(&("network" | "volume" | "manifest" | "buildx"))) => {
            vec![Images]
        }
        ("tag", 0) | ("push" | "pull" | "rmi" | "save" | "history", _) => vec![Images],
        ("commit", 0) => vec![Containers(State::Any)],
        ("rm" | "inspect" | "ls", _) if path.first() == Some(&"image") => vec![Images],
        _ => by_name(argument),
    }
}

/// The kinds for the name of a value.
fn by_name(argument: &Arg) -> Vec<Wanted> {
    let names = argument.get_value_names();
    let kind = names.and_then(|names| names.first()).map(|name| name.to_string()).unwrap_or_default();
    match kind.split(['[', ':', '|']).find(|part| !part.is_empty()).unwrap_or_default() {
        "NAME" if kind.starts_with("NAME|ID") => vec![Things],
        "CONTAINER" => vec![Containers(State::Any)],
        "BUILD" => vec![Builds],
        "IMAGE" | "SOURCE_IMAGE" => vec![Images],
        "NETWORK" => vec![Networks],
        "VOLUME" => vec![Volumes],
        "FILE" | "DIR" | "PATH" | "FOLDER" | "CONTEXT" | "ARCHIVE" => vec![Files],
        _ => Vec::new(),
    }
}
