//! The state of the traced programs and their root.

use std::collections::HashMap;

use rustix::io::{Errno, Result};

use super::call::{Call, Reply};
use super::placement::Placement;
use super::refusals::Refusals;
use super::root::Root;
use super::task::Task;
use super::trace::Tracee;
use super::user::Credentials;
use crate::base::foreign::LinkOwners;

pub(super) struct Programs {
    pub(super) root: Root,
    pub(super) links: LinkOwners,
    /// By thread ID.
    pub(super) tasks: HashMap<i32, Task>,
    /// The process that all end with.
    pub(super) first: i32,
    pub(super) refusals: Refusals,
    pub(super) placement: Placement,
    /// Set-user-ID bits have no effect.
    pub(super) no_new_privileges: bool,
}

impl Programs {
    pub(super) fn task(&mut self, tracee: Tracee) -> Result<&mut Task> {
        self.tasks.get_mut(&tracee.0).ok_or(Errno::SRCH)
    }

    pub(super) fn credentials(&self, call: &Call) -> Result<Credentials> {
        Ok(self.tasks.get(&call.tracee.0).ok_or(Errno::SRCH)?.credentials.clone())
    }

    /// Refuses what a program would be allowed with namespaces.
    pub(super) fn refuse(&mut self, call: &Call, what: &'static str, errno: Errno) -> Reply {
        if let Some(process) = self.tasks.get(&call.tracee.0).map(|task| task.process) {
            self.refusals.add(process, what);
        }
        Err(errno)
    }
}
