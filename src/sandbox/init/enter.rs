//! One more process in a container that runs: it joins the namespaces, and becomes the program.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{Mode, OFlags};
use rustix::thread::ThreadNameSpaceType;

use super::program::{Program, Rights};
use super::users::{self, Users};
use super::{Doing, Result, join_new_keyring, terminal};
use crate::sandbox::channel::{Channel, Entrance, NETWORK_FD, Report};
use crate::sandbox::mount_api::last_errno;

/// Returns in the process that was started when the other one goes on, and otherwise only when the program can't be
/// executed.
pub(super) fn enter(entrance: Entrance, channel: &mut Channel) -> Result<()> {
    // Whoever is in the container must not look into this process while it still has what the program shall not have.
    // SAFETY: prctl with numbers only.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    join_namespaces()?;
    // Only a child is in the process namespace that was joined. Its parent is this process's: rbuild, which waits.
    // SAFETY: this process has one thread, and the child goes on in a copy of all its memory.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_PARENT | libc::SIGCHLD, 0, 0, 0, 0) };
    match pid {
        -1 => Err(last_errno()).doing("start a process in", "the container"),
        0 => execute(entrance, channel),
        pid => channel.send(&Report::Entered { pid: pid as i32 }).doing("report to", "rbuild"),
    }
}

fn join_namespaces() -> Result<()> {
    // SAFETY: `spawn_in` puts the process's descriptor at this number, and nothing else here knows of it.
    let process = unsafe { OwnedFd::from_raw_fd(NETWORK_FD) };
    let all = ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::PROCESS_ID
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::NETWORK
        | ThreadNameSpaceType::CONTROL_GROUP;
    rustix::thread::move_into_thread_name_spaces(std::os::fd::AsFd::as_fd(&process), all)
        .doing("join the namespaces of", "the container")
}

fn execute(entrance: Entrance, channel: &mut Channel) -> Result<()> {
    let usual_files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    rustix::process::umask(Mode::empty());
    join_new_keyring()?;
    let Entrance { process, capabilities, no_new_privileges, seccomp, apparmor, ids, scopes_sockets } = entrance;
    let users = Users::begin(ids)?.map(Rc::new);
    let terminal = if process.terminal {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let master = rustix::fs::open(Path::new("/dev/pts/ptmx"), flags, Mode::empty()).doing("open", "/dev/ptmx")?;
        let terminal = terminal::with_master(master, &users::on_host(users.as_deref(), &process.user)?)?;
        channel.send_terminal(&terminal.master).doing("hand out", "the terminal")?;
        Some(terminal)
    } else {
        None
    };
    let rights =
        Rights { capabilities, no_new_privileges, seccomp, apparmor, scopes_sockets, users, dies_with_parent: false };
    let program = Program::new(&process, rights, usual_files)?;
    program.enter_directory()?;
    program.execute(channel, Vec::new(), terminal)
}
