//! PID namespaces that a container shares with another one. A process in it with `SYS_PTRACE` may read and write the
//! memory of all others. So the init, which has the host's rights, does not join it: it sets everything up from
//! outside, drops the rights that the program must not have, and only then joins, by a fork.

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

/// When a process joins the PID namespace of another container.
pub(super) enum Joining {
    /// As the last step, with its final rights.
    Last(OwnedFd),
    /// The same; its children are in the namespace already.
    LastOf,
    /// It has joined, or has a namespace of its own.
    Done,
}

impl Joining {
    pub(super) fn is_last(&self) -> bool {
        !matches!(self, Self::Done)
    }

    /// To be called while this process still has the right to join.
    pub(super) fn let_children_join(self) -> Result<()> {
        match self {
            Self::Last(namespace) => join(&namespace),
            Self::LastOf | Self::Done => Ok(()),
        }
    }
}

/// The setup of a container that shares another one's PID namespace.
pub(super) struct Shared {
    pub(super) joining: Joining,
    /// A detached procfs of that namespace. `None` if this process is in the namespace itself.
    pub(super) proc: Option<OwnedFd>,
    /// The procfs in which this process finds itself.
    pub(super) own: Option<KernelFiles>,
}

/// Which process this is after joining.
pub(super) enum Begun {
    /// It has started another process, and has nothing left to do.
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
        // Before Linux 6.18, only a process in that namespace can mount a procfs for it. From now on, processes there
        // with `SYS_PTRACE` can trace this one.
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
    /// The original process. It has nothing left to do.
    Here,
    /// The child in the joined PID namespace, a sibling of the original: rbuild is the parent of both.
    There,
}

/// Only children are in a PID namespace that was joined.
pub(super) fn split(channel: &mut Channel) -> Result<Side> {
    // SAFETY: this process has one thread, and the child continues in a copy of all its memory.
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
