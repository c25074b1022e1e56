//! The state of the traced programs and their root.

use std::collections::HashMap;

use rustix::io::{Errno, Result};

use super::call::Call;
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
}
