//! Changes the limits or the restart policy of an existing container.

use super::{RequestError, check_resources};
use crate::container::{Containers, Entry, Resources, RestartPolicy};

/// The request.
#[non_exhaustive]
pub struct UpdateRequest<'a> {
    /// Changes the limits.
    pub apply: &'a dyn Fn(&mut Resources),
    /// The new policy, if it changes.
    pub restart_policy: Option<RestartPolicy>,
}

/// Changes the container's record, and its limits in the kernel while it runs.
pub fn update(containers: &Containers, entry: &Entry, request: &UpdateRequest<'_>) -> Result<(), RequestError> {
    let id = || entry.record.id.clone();
    let host = &entry.record.host_config;
    let before = (host.resources.clone(), host.restart_policy);
    let mut given = Resources::default();
    (request.apply)(&mut given);
    let restarts = request.restart_policy.is_some_and(|policy| policy != RestartPolicy::No);
    let conflict = match restarts && host.auto_remove {
        true => Some("restart policy cannot be updated because AutoRemove is enabled for the container"),
        false => conflict(&given, &host.resources),
    };
    if let Some(reason) = conflict {
        return Err(RequestError::UpdateConflict { id: id(), reason });
    }
    let mut wanted = host.resources.clone();
    (request.apply)(&mut wanted);
    check_resources(&wanted)?;
    containers.change(entry, |record| {
        (request.apply)(&mut record.host_config.resources);
        if let Some(policy) = request.restart_policy {
            record.host_config.restart_policy = policy;
        }
        true
    })?;
    if let Err(source) = if entry.is_running { entry.reload() } else { Ok(()) } {
        // What the kernel refuses is not stored.
        containers.change(entry, |record| {
            (record.host_config.resources, record.host_config.restart_policy) = before;
            true
        })?;
        return Err(RequestError::Update { id: id(), source });
    }
    containers.tell(entry, "update", &[]);
    Ok(())
}

/// Why the new limits conflict with existing ones of the container.
fn conflict(given: &Resources, has: &Resources) -> Option<&'static str> {
    let exceeds_swap = u64::try_from(has.memory_swap).is_ok_and(|swap| swap != 0 && given.memory > swap);
    if given.memory_swap == 0 && exceeds_swap {
        return Some(
            "memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        );
    }
    if has.nano_cpus != 0 && given.cpu_period != 0 {
        return Some("conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
    }
    if has.nano_cpus != 0 && given.cpu_quota != 0 {
        return Some("conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
    }
    if given.nano_cpus != 0 && has.cpu_period != 0 {
        return Some("conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
    }
    if given.nano_cpus != 0 && has.cpu_quota != 0 {
        return Some("conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_two_kinds_do_not_go_together() {
        let none = Resources::default;
        let memory = |memory, memory_swap| Resources { memory, memory_swap, ..none() };
        let cpus = Resources { nano_cpus: 1, ..none() };
        let (period, quota) = (Resources { cpu_period: 1000, ..none() }, Resources { cpu_quota: -1, ..none() });
        let has_conflict = |given: &Resources, has: &Resources| conflict(given, has).is_some();
        for other in [&period, &quota] {
            assert!(has_conflict(other, &cpus) && has_conflict(&cpus, other));
            assert!(!has_conflict(other, &none()) && !has_conflict(&none(), other));
        }
        assert!(has_conflict(&memory(9, 0), &memory(4, 8)));
        assert!(!has_conflict(&memory(9, 10), &memory(4, 8)) && !has_conflict(&memory(9, 0), &memory(4, -1)));
    }
}
