//! `--filter KEY=VALUE`: the keys of each command, and their possible values.

use super::wanted::{State, Wanted};

const BOOLEANS: Wanted = Wanted::Words(&["true", "false"]);

/// The filter keys of the command.
pub(super) fn keys(path: &[&str]) -> &'static [&'static str] {
    match path {
        ["ps"] | ["container", "ls"] => &crate::cli::container::ps::FILTERS,
        ["images"] | ["image", "ls"] => &crate::engine::image::filter::KNOWN,
        ["image", "prune"] => &["until", "label", "label!", "dangling"],
        ["network", "ls"] => &crate::engine::network::FILTERS,
        ["volume", "ls"] => &["dangling", "driver", "label", "name"],
        ["volume", "prune"] => &["label", "label!", "all"],
        ["container" | "network" | "system", "prune"] => &["until", "label", "label!"],
        ["builder" | "buildx", "prune" | "du"] => &["until", "type", "id", "inuse", "shared", "private"],
        ["builds", "ls"] | ["buildx" | "builder", "history", "ls"] => &["ref", "status", "repository", "startedAt"],
        ["events"] | ["system", "events"] => &crate::engine::system::events::FILTERS,
        ["search"] => &["is-official", "is-automated", "stars"],
        _ => &[],
    }
}

/// The possible values of a key.
pub(super) fn values(path: &[&str], key: &str) -> Vec<Wanted> {
    let of_events = path.last() == Some(&"events");
    match key {
        "dangling" | "is-task" | "inuse" | "shared" | "private" | "all" | "is-official" | "is-automated" => {
            vec![BOOLEANS]
        }
        "status" if matches!(path, ["builds", ..] | [_, "history", ..]) => {
            vec![Wanted::Words(&["completed", "error", "canceled", "running", "killed"])]
        }
        "status" => vec![Wanted::Words(&crate::cli::container::ps::STATES)],
        "health" => vec![Wanted::Words(&["starting", "healthy", "unhealthy", "none"])],
        "before" | "since" if path.contains(&"images") || path.contains(&"image") => vec![Wanted::Images],
        "before" | "since" | "container" => vec![Wanted::Containers(State::Any)],
        "ancestor" | "reference" | "image" => vec![Wanted::Images],
        "network" => vec![Wanted::Networks],
        "volume" => vec![Wanted::Volumes],
        "name" | "id" if path.contains(&"network") => vec![Wanted::Networks],
        "name" if path.contains(&"volume") => vec![Wanted::Volumes],
        "name" | "id" => vec![Wanted::Containers(State::Any)],
        "driver" if path.contains(&"network") => vec![Wanted::Words(&["bridge", "host", "null"])],
        "driver" => vec![Wanted::Words(&["local"])],
        "scope" => vec![Wanted::Words(&["local"])],
        "type" if of_events => vec![Wanted::Words(&["builder", "container", "image", "network", "volume"])],
        "type" if path.contains(&"network") => vec![Wanted::Words(&["builtin", "custom"])],
        "event" => vec![Wanted::Words(EVENTS)],
        _ => Vec::new(),
    }
}

const EVENTS: &[&str] = &[
    "attach",
    "commit",
    "connect",
    "copy",
    "create",
    "delete",
    "destroy",
    "detach",
    "die",
    "disconnect",
    "exec_create",
    "exec_start",
    "export",
    "health_status",
    "import",
    "kill",
    "load",
    "mount",
    "oom",
    "pause",
    "prune",
    "pull",
    "push",
    "rename",
    "resize",
    "restart",
    "save",
    "start",
    "stop",
    "tag",
    "top",
    "unmount",
    "unpause",
    "untag",
    "update",
];
