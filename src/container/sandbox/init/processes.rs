//! Processes that a container shares with another one. There, who has `SYS_PTRACE` may look into every process, and write
//! into its memory. So the init, which has the host's rights, is not among them: it makes all that it has to make from
//! outside, gives up what the program shall not have, and only then becomes one of them, by a fork.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::Errno;
use rustix::thread::LinkNameSpaceType;

use super::doing::{Doing, Result};
use super::kernel_files::KernelFiles;
use super::standard::NO_SUID_DEV_EXEC;
use super::{die_with_parent, open_namespace};
use crate::container::sandbox::channel::{Channel, Launch, Report};
use crate::container::sandbox::isolation::Namespace;
use crate::container::sandbox::mount_api::{self, last_errno};

/// When a process comes to be among those of another container.
pub(super) enum Joining {
    /// As the last thing, with what it then is.
    Last(OwnedFd),
    /// The same; the namespace is that of its children already.
    LastOf,
    /// It is there, or is in one of its own.
    Done,
}

impl Joining {
    pub(super) fn is_last(&self) -> bool {
        !matches!(self, Self::Done)
    }

    /// To be called while this process still has the right to.
    pub(super) fn let_children_join(self) -> Result<()> {
        match self {
            Self::Last(namespace) => join(&namespace),
            Self::LastOf | Self::Done => Ok(()),
        }
    }
}

/// What a container that shares another one's processes is made with.
pub(super) struct Shared {
    pub(super) joining: Joining,
    /// A procfs that shows them, attached nowhere. Nothing where this process sees them itself.
    pub(super) proc: Option<OwnedFd>,
    /// Where this process finds itself.
    pub(super) own: Option<KernelFiles>,
}

/// Which process this is, and what it goes on with.
pub(super) enum Begun {
    /// It has started another one, and has nothing left to do.
    Here,
    GoOn(Shared),
}

pub(super) fn begin(launch: &Launch, channel: &mut Channel) -> Result<Begun> {
    let Namespace::OfProcess(pid) = launch.container.isolation.namespaces.pid else {
        return Ok(Begun::GoOn(Shared { joining: Joining::Done, proc: None, own: None }));
    };
    let namespace = open_namespace(&format!("/proc/{pid}/ns/pid"))?;
    match mount_api::create_proc_of(&namespace, NO_SUID_DEV_EXEC) {
        Ok(proc) => {
            let own = Some(KernelFiles::hosts_proc()?);
            Ok(Begun::GoOn(Shared { joining: Joining::Last(namespace), proc: Some(proc), own }))
        }
        // Before Linux 6.18, only a process that is among them can mount a procfs of theirs. From now on it can be traced
        // there by who has `SYS_PTRACE`.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => {
            join(&namespace)?;
            match split(channel)? {
                Side::Here => Ok(Begun::Here),
                Side::There => {
                    die_with_parent();
                    Ok(Begun::GoOn(Shared { joining: Joining::Done, proc: None, own: None }))
                }
            }
        }
        Err(errno) => Err(errno).doing("mount", "/proc"),
    }
}

fn join(namespace: &OwnedFd) -> Result<()> {
    rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::ProcessID))
        .doing("join", "the processes of the other container")
}

/// Which process this is after a split.
pub(super) enum Side {
    /// The one that was started. It has nothing left to do.
    Here,
    /// A child in the process namespace that was joined, beside the first one: rbuild is the parent of both.
    There,
}

/// Only a child is in a process namespace that was joined.
pub(super) fn split(channel: &mut Channel) -> Result<Side> {
    // SAFETY: this process has one thread, and the child goes on in a copy of all its memory.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_PARENT | libc::SIGCHLD, 0, 0, 0, 0) };
    match pid {
        -1 => Err(last_errno()).doing("start a process in", "the container"),
        0 => Ok(Side::There),
        pid => {
            channel.send(&Report::Entered { pid: pid as i32 }).doing("report to", "rbuild")?;
            Ok(Side::Here)
        }
    }
}
