//! A program without any rights: the init traces it, and takes the kernel's part where the kernel would refuse.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};

use super::chroot::prepare_process;
use super::doing::{Doing, Result, message};
use super::passing::pass_on_signals;
use super::processes::Joining;
use super::program::{Program, Rights, load_filter};
use super::target::MountPoints;
use super::{join_new_keyring, own, reaper};
use crate::base::foreign;
use crate::container::sandbox::channel::{Channel, ChrootLaunch, NETWORK_FD};
use crate::container::sandbox::container::{Rootfs, User};
use crate::container::sandbox::emulation::{self, Supervision};
use crate::container::sandbox::landlock;
use crate::container::sandbox::mount_api::last_errno;
use crate::container::sandbox::running::END_ALL;

/// Returns in the program's process if it can't be executed, and never in the init.
pub(super) fn start(launch: ChrootLaunch, channel: &mut Channel) -> Result<()> {
    own::close_unused(launch.is_guest, launch.is_guest);
    if !launch.is_guest {
        // By which it ends, and all that it traces before. A guest lives as long as its host, whoever started it.
        let _ = rustix::process::set_parent_process_death_signal(Some(END_ALL));
    }
    if channel.is_abandoned() {
        return Ok(());
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).doing("take in", "orphans")?;
    rustix::process::umask(Mode::empty());
    join_new_keyring()?;
    foreign::record_owners();
    let container = &launch.container;
    let Rootfs::Directory(root) = &container.rootfs else { return Err(message("there is no folder to be the root")) };
    let root = root.clone();
    let folder = rustix::fs::open(&root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let folder = folder.doing("open", &root)?;
    if container.process.create_directory {
        MountPoints::make_directory(&folder, &container.process.directory)?;
    }
    let room = emulation::make_room().doing("make", "room in memory")?;
    reaper::block_all_signals();
    let (one, mut other) = UnixStream::pair().doing("make", "a pair of sockets")?;
    // SAFETY: this process has one thread, so the child may continue with anything.
    match unsafe { libc::fork() } {
        0 => drop(one),
        -1 => return Err(last_errno()).doing("start", "the program beside its supervisor"),
        child => {
            drop(other);
            let no_new_privileges = container.isolation.no_new_privileges;
            let supervision = Supervision { root: &root, child, room, no_new_privileges };
            return supervise(&supervision, folder, one, channel, launch.is_guest);
        }
    }
    // The tracer must be allowed to access it.
    own::let_others_look();
    other.write_all(&[0]).doing("tell", "the supervisor")?;
    if other.read_exact(&mut [0]).is_err() {
        std::process::exit(1);
    }
    drop(other);
    execute(launch, &root, &folder, channel)
}

/// Becomes the program, once it is traced.
fn execute(launch: ChrootLaunch, root: &Path, folder: &OwnedFd, channel: &mut Channel) -> Result<()> {
    let ChrootLaunch { container, seccomp, narrowing, .. } = launch;
    let usual_files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    // Who the program's user is, the kernel knows nothing of.
    let terminal = prepare_process(&container.process, &User::default(), channel)?;
    rustix::process::fchdir(folder).doing("enter", root)?;
    let rights = Rights {
        capabilities: launch.capabilities,
        no_new_privileges: true,
        seccomp,
        scopes_sockets: false,
        small_init: None,
        users: None,
        dies_with_parent: true,
        joining: Joining::Done,
    };
    let program = Program::new(&container.process, rights, usual_files)?;
    program.execute_traced(channel, terminal, || {
        rustix::thread::set_no_new_privs(true).doing("forbid", "new privileges")?;
        landlock::stay_below(folder.as_fd(), emulation::outside())?;
        load_filter(narrowing.as_deref())?;
        Ok(emulation::filter())
    })
}

/// Follows the program to its end, and ends as it did.
fn supervise(
    supervision: &Supervision<'_>,
    folder: OwnedFd,
    mut program: UnixStream,
    channel: &mut Channel,
    is_guest: bool,
) -> Result<()> {
    let child = supervision.child;
    program.read_exact(&mut [0]).doing("hear from", "the program's process")?;
    let begun = emulation::begin(supervision, folder).doing("trace", "the program")?;
    program.write_all(&[0]).doing("tell", "the program's process")?;
    drop(program);
    channel.close();
    pass_on_signals(child);
    if is_guest {
        std::thread::spawn(move || end_with_host(child));
    }
    std::process::exit(begun.follow(supervision));
}

/// Waits for the end of the program that this one is beside, and ends this one.
fn end_with_host(program: i32) {
    // SAFETY: what is at that number stays open until this process ends.
    let host = unsafe { BorrowedFd::borrow_raw(NETWORK_FD) };
    while poll(&mut [PollFd::from_borrowed_fd(host, PollFlags::IN)], None).is_err() {}
    // SAFETY: a plain system call on numbers; the program is a child of this process that is not reaped yet, or all is over.
    unsafe { libc::kill(program, libc::SIGKILL) };
}
