//! A program without namespaces: a folder is its root, and it stays there because it lacks the rights to leave.
//!
//! The init stays beside it, outside of the folder, as the parent of orphans: when the program has ended, or rbuild
//! requests it, all its processes are killed, whatever sessions they created.

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use super::doing::{Doing, Result, message};
use super::processes::Joining;
use super::program::{Program, Rights};
use super::target::MountPoints;
use super::terminal::{self, Terminal};
use super::{join_new_keyring, own, reaper};
use crate::container::sandbox::channel::{Channel, ChrootLaunch};
use crate::container::sandbox::container::{Process, Rootfs, User};
use crate::container::sandbox::landlock;
use crate::container::sandbox::running::END_ALL;

/// Returns in the program's process if it can't be executed, and never in the init.
pub(super) fn start(launch: ChrootLaunch, channel: &mut Channel) -> Result<()> {
    own::close_unused(launch.is_guest, launch.is_guest);
    if !launch.is_guest {
        // Kills all processes of the program first. A guest lives as long as its host, whoever started it.
        let _ = rustix::process::set_parent_process_death_signal(Some(END_ALL));
    }
    if channel.is_abandoned() {
        return Ok(());
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).doing("take in", "orphans")?;
    reaper::split_and_end_all(channel, launch.is_guest)?;
    let usual_files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    rustix::process::umask(Mode::empty());
    join_new_keyring()?;
    let ChrootLaunch { container, capabilities, seccomp, narrowing, .. } = launch;
    let Rootfs::Directory(root) = &container.rootfs else { return Err(message("there is no folder to be the root")) };
    if container.process.create_directory {
        // Done here, because it needs `/proc`.
        let folder = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        MountPoints::make_directory(&folder.doing("open", root)?, &container.process.directory)?;
    }
    keep_setuid_programs_inside();
    let terminal = prepare_process(&container.process, &container.process.user, channel)?;
    enter(root)?;
    // Without CAP_SYS_ADMIN, a filter or a Landlock domain requires this.
    rustix::thread::set_no_new_privs(true).doing("forbid", "new privileges")?;
    landlock::stay_below_root()?;
    super::program::load_filter(narrowing.as_deref())?;
    let rights = Rights {
        capabilities,
        no_new_privileges: true,
        seccomp,
        scopes_sockets: false,
        small_init: None,
        users: None,
        dies_with_parent: true,
        joining: Joining::Done,
    };
    let program = Program::new(&container.process, rights, usual_files)?;
    program.enter_directory()?;
    program.execute(channel, Vec::new(), terminal)
}

/// What there is of the machine around, and not in the root any more. A terminal is given to that user.
pub(super) fn prepare_process(process: &Process, user: &User, channel: &mut Channel) -> Result<Option<Terminal>> {
    if let Some(adjustment) = process.oom_score_adjust {
        let written = std::fs::write("/proc/self/oom_score_adj", adjustment.to_string());
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)).doing("write", "oom_score_adj")?;
    }
    if !process.terminal {
        return Ok(None);
    }
    let terminal = terminal::open_in_container(user)?;
    channel.send_terminal(&terminal.master).doing("hand out", "the terminal")?;
    Ok(Some(terminal))
}

/// A host user with the program's UID may get into its root by `/proc/PID/root`, bypassing all folders that are closed
/// to them, and could use set-user-ID programs in there. The kernel ignores set-user-ID bits from another mount
/// namespace (`mnt_may_suid`). If none can be created, as in most containers, there is hardly any other user.
fn keep_setuid_programs_inside() {
    // SAFETY: of the flags that unshare_unsafe warns of (it is about descriptors and threads), none is used.
    let _ = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) };
}

fn enter(root: &Path) -> Result<()> {
    rustix::process::chdir(root).doing("enter", root)?;
    rustix::process::chroot(".").doing("make the root", root)?;
    rustix::process::chdir("/").doing("enter", "/")
}
