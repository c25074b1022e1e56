//! `--userns`: which user namespace a container uses.

use std::sync::Arc;

use super::directory::Containers;
use super::error::ContainerError;
use super::record::Record;
use crate::container::sandbox::{IdRanges, RemappedUsers, SandboxError, Unsupported, UsersMode};

/// For a container that is about to start; `None` if it has the host's users. Containers that share a namespace share
/// their users, as in docker.
pub(super) fn of(record: &Record, containers: &Containers) -> Result<Option<Arc<RemappedUsers>>, ContainerError> {
    let host = &record.host_config;
    let Some(ids) = ids(record)? else { return Ok(None) };
    let mut shared: Option<RemappedUsers> = None;
    for name in host.joined_containers() {
        let partner = containers.find(name)?;
        if partner.state.pid == 0 {
            // Joining its namespace reports this.
            continue;
        }
        let name = partner.record.plain_name();
        let users = RemappedUsers::of_process(partner.state.pid)?.ok_or_else(|| {
            refused(format!("to share a namespace of {name}, whose users are the host's, they must share those too"))
        })?;
        if host.users != UsersMode::Remap(None) && *users.ids() != ids {
            return Err(refused(format!("the users of {name} are others of the host, and it shares its namespace")));
        }
        if shared.as_ref().is_some_and(|other| !other.is(&users)) {
            return Err(refused(format!("the users of {name} are not those of the other container that is joined")));
        }
        shared = Some(users);
    }
    let users = shared.map_or_else(|| RemappedUsers::make(ids), Ok)?;
    Ok(Some(Arc::new(users)))
}

/// For a container that is only read, not started.
pub(super) fn alone(record: &Record) -> Result<Option<Arc<RemappedUsers>>, ContainerError> {
    Ok(ids(record)?.map(RemappedUsers::make).transpose()?.map(Arc::new))
}

fn ids(record: &Record) -> Result<Option<IdRanges>, ContainerError> {
    Ok(record.host_config.users.ranges().map_err(SandboxError::from)?)
}

fn refused(what: String) -> ContainerError {
    let hint = Some("give both containers the same --userns".to_owned());
    SandboxError::from(Unsupported { what, hint }).into()
}
