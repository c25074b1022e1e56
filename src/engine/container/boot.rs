//! Which containers start with the machine, and ending them with it.

use std::collections::{HashMap, HashSet};

use crate::container::{ContainerError, Containers, Entry, HostConfig, RestartPolicy, Status, Stop};

/// The IDs of containers to start with the machine, in order of dependencies, as docker's daemon does at its start.
/// Containers that were never started are left alone, and so are those with `unless-stopped` that a user has stopped.
pub fn brought_back(containers: &Containers) -> Result<Vec<String>, ContainerError> {
    let all = containers.list()?;
    let wanted: Vec<&Entry> = all.iter().filter(|entry| comes_back(entry)).collect();
    let by_id = wanted.iter().map(|entry| (entry.record.id.as_str(), *entry)).collect();
    let mut order = Order { containers, wanted: by_id, ids: Vec::new(), seen: HashSet::new() };
    // The list has the newest first.
    wanted.iter().rev().for_each(|entry| order.add(entry));
    Ok(order.ids)
}

fn comes_back(entry: &Entry) -> bool {
    let was_started = entry.state.status != Status::Created;
    !entry.is_running && was_started && is_wanted(&entry.record.host_config, entry.state.stopped_by_user)
}

/// Applies the policy. `on-failure` is for failing programs, not for the end of a machine.
fn is_wanted(host: &HostConfig, stopped_by_user: bool) -> bool {
    match host.restart_policy {
        RestartPolicy::Always => true,
        RestartPolicy::UnlessStopped => !stopped_by_user,
        RestartPolicy::No | RestartPolicy::OnFailure { .. } => false,
    }
}

/// The start order of containers.
struct Order<'a> {
    containers: &'a Containers,
    /// By their IDs.
    wanted: HashMap<&'a str, &'a Entry>,
    ids: Vec<String>,
    seen: HashSet<String>,
}

impl Order<'_> {
    /// Adds a container after those that it needs. In a cycle, which can't be started, each one is tried.
    fn add(&mut self, entry: &Entry) {
        let id = &entry.record.id;
        if !self.seen.insert(id.clone()) {
            return;
        }
        for word in needed(&entry.record.host_config) {
            let other = self.containers.find(word).ok();
            if let Some(other) = other.and_then(|other| self.wanted.get(other.record.id.as_str()).copied()) {
                self.add(other);
            }
        }
        self.ids.push(id.clone());
    }
}

/// The containers whose namespaces it joins, and those that it links to.
fn needed(host: &HostConfig) -> Vec<&str> {
    let linked = host.links.iter().map(|link| link.split(':').next().unwrap_or(link));
    host.joined_containers().chain(linked.map(|name| name.trim_start_matches('/'))).collect()
}

/// A container that was to end with the machine.
#[derive(Debug)]
pub struct ShutDown {
    /// Its ID.
    pub id: String,
    /// The error, if it could not be ended.
    pub ended: Result<(), ContainerError>,
}

/// Ends all running containers in parallel, each with its own timeout, because the machine goes down: they are
/// restarted with it according to their policies.
pub fn shut_down(containers: &Containers) -> Result<Vec<ShutDown>, ContainerError> {
    let running: Vec<Entry> = containers.list()?.into_iter().filter(|entry| entry.is_running).collect();
    Ok(std::thread::scope(|scope| {
        let end = |entry: &Entry| entry.stop(Stop { keep: !entry.record.host_config.auto_remove, ..Stop::default() });
        let threads: Vec<_> = running.iter().map(|entry| (entry, scope.spawn(move || end(entry)))).collect();
        let ended = threads.into_iter().map(|(entry, thread)| ShutDown {
            id: entry.record.id.clone(),
            ended: thread.join().unwrap_or(Err(ContainerError::MonitorDied)),
        });
        ended.collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{IpcMode, NamespaceMode, NetworkMode};

    #[test]
    fn policies_say_what_comes_back() {
        let with = |restart_policy| HostConfig { restart_policy, ..HostConfig::default() };
        for (policy, left, stopped) in [
            (RestartPolicy::Always, true, true),
            (RestartPolicy::UnlessStopped, true, false),
            (RestartPolicy::OnFailure { maximum_retries: 0 }, false, false),
            (RestartPolicy::No, false, false),
        ] {
            assert_eq!(
                (is_wanted(&with(policy), false), is_wanted(&with(policy), true)),
                (left, stopped),
                "{policy:?}"
            );
        }
    }

    #[test]
    fn what_a_container_needs() {
        let host = HostConfig {
            network_mode: NetworkMode::of("container:a"),
            ipc_mode: IpcMode::Shareable,
            pid_mode: NamespaceMode::Container("b".to_owned()),
            links: vec!["/c:alias".to_owned(), "d".to_owned()],
            ..HostConfig::default()
        };
        assert_eq!(needed(&host), ["a", "b", "c", "d"]);
    }
}
