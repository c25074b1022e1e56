//! Another process in a running container: it joins the namespaces, and becomes the program.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::rc::Rc;

use rustix::fs::{Mode, stat};
use rustix::thread::ThreadNameSpaceType;

use super::doing::{Doing, Result};
use super::kernel_files::KernelFiles;
use super::processes::Joining;
use super::program::{Program, Rights};
use super::users::{self, Users};
use super::{join_new_keyring, own, terminal};
use crate::container::sandbox::channel::{Channel, Entrance, NETWORK_FD};

/// Returns in the original process if another one is to be the program, and otherwise only if that can't be executed.
pub(super) fn enter(entrance: Entrance, channel: &mut Channel) -> Result<()> {
    own::close_unused(true, entrance.ids.is_some());
    // The container's `/proc` can't be trusted.
    let proc = KernelFiles::hosts_proc()?;
    join_namespaces(entrance.pid)?;
    execute(entrance, proc, channel)
}

/// Joins those namespaces of the container that are not this process's own: an ordinary user may not join one of the
/// host's, even from inside.
fn join_namespaces(pid: i32) -> Result<()> {
    // SAFETY: `spawn_in` puts the process's descriptor at this number, and nothing else here owns it.
    let process = unsafe { OwnedFd::from_raw_fd(NETWORK_FD) };
    let all = [
        ("mnt", ThreadNameSpaceType::MOUNT),
        ("pid", ThreadNameSpaceType::PROCESS_ID),
        ("ipc", ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION),
        ("uts", ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME),
        ("net", ThreadNameSpaceType::NETWORK),
        ("cgroup", ThreadNameSpaceType::CONTROL_GROUP),
    ];
    let is_foreign = |name: &str| {
        let identity = |of: &str| stat(format!("/proc/{of}/ns/{name}")).map(|stat| (stat.st_dev, stat.st_ino));
        // If this can't be read, it is joined, and the kernel reports why that fails.
        identity(&pid.to_string()).ok() != identity("self").ok()
    };
    let foreign = all.into_iter().filter(|(name, _)| is_foreign(name)).map(|(_, kind)| kind);
    // By the descriptor: if that process has ended, and its PID is reused, nothing is joined.
    rustix::thread::move_into_thread_name_spaces(std::os::fd::AsFd::as_fd(&process), foreign.collect())
        .doing("join the namespaces of", "the container")
}

fn execute(entrance: Entrance, proc: KernelFiles, channel: &mut Channel) -> Result<()> {
    let usual_files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    rustix::process::umask(Mode::empty());
    join_new_keyring()?;
    let Entrance { process, capabilities, no_new_privileges, seccomp, apparmor, ids, scopes_sockets, .. } = entrance;
    if let Some(profile) = apparmor {
        crate::container::sandbox::lsm::confine(&proc, &profile)?;
    }
    // Any process that can name its descriptor could use it to leave the container.
    drop(proc);
    let users = Users::begin(ids)?.map(Rc::new);
    let terminal = if process.terminal {
        let terminal = terminal::open_in_container(&users::on_host(users.as_deref(), &process.user)?)?;
        channel.send_terminal(&terminal.master).doing("hand out", "the terminal")?;
        Some(terminal)
    } else {
        None
    };
    let rights = Rights {
        capabilities,
        no_new_privileges,
        seccomp,
        scopes_sockets,
        small_init: None,
        users,
        dies_with_parent: false,
        joining: Joining::LastOf,
    };
    let program = Program::new(&process, rights, usual_files)?;
    program.enter_directory()?;
    program.execute(channel, Vec::new(), terminal)
}
