//! Other limits, or another restart policy, for a container that there is.

use super::{RequestError, check_resources};
use crate::container::{Containers, Entry, Resources, RestartPolicy};

/// What is to be changed.
pub struct UpdateRequest<'a> {
    /// Changes the limits.
    pub apply: &'a dyn Fn(&mut Resources),
    pub restart_policy: Option<RestartPolicy>,
}

/// Changes what is kept of a container, and what the kernel keeps of it while it runs.
pub fn update(containers: &Containers, entry: &Entry, request: &UpdateRequest<'_>) -> Result<(), RequestError> {
    let policy = request.restart_policy.as_ref();
    if policy.is_some_and(|policy| !matches!(policy.name.as_str(), "" | "no")) && entry.record.host_config.auto_remove {
        let text = "restart policy cannot be updated because AutoRemove is enabled for the container";
        return Err(RequestError::refused(text));
    }
    let host = &entry.record.host_config;
    let before = (host.resources.clone(), host.restart_policy.clone());
    let mut wanted = host.resources.clone();
    (request.apply)(&mut wanted);
    check_resources(&wanted)?;
    containers.change(entry, |record| {
        (request.apply)(&mut record.host_config.resources);
        if let Some(policy) = policy {
            record.host_config.restart_policy = policy.clone();
        }
        true
    })?;
    if let Err(error) = if entry.is_running { entry.reload() } else { Ok(()) } {
        // What the kernel does not take is not kept.
        containers.change(entry, |record| {
            (record.host_config.resources, record.host_config.restart_policy) = before;
            true
        })?;
        return Err(error.into());
    }
    containers.tell(entry, "update", &[]);
    Ok(())
}
