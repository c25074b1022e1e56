//! A program without any rights: the init traces it, and takes the kernel's part where the kernel would refuse.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use rustix::fs::{Mode, OFlags};

use super::chroot::prepare_process;
use super::doing::{Doing, Result, message};
use super::processes::Joining;
use super::program::{Program, Rights, load_filter};
use super::target::MountPoints;
use super::{join_new_keyring, own, reaper};
use crate::base::foreign;
use crate::container::sandbox::channel::{Channel, ChrootLaunch};
use crate::container::sandbox::container::Rootfs;
use crate::container::sandbox::emulation::{self, Supervision};
use crate::container::sandbox::landlock;
use crate::container::sandbox::mount_api::last_errno;
use crate::container::sandbox::running::END_ALL;

/// Returns in the program's process if it can't be executed, and never in the init.
pub(super) fn start(launch: ChrootLaunch, channel: &mut Channel) -> Result<()> {
    own::close_unused(false, false);
    // This ends it, and then the kernel kills everything that it traces.
    let _ = rustix::process::set_parent_process_death_signal(Some(END_ALL));
    if channel.is_abandoned() {
        return Ok(());
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).doing("take in", "orphans")?;
    rustix::process::umask(Mode::empty());
    join_new_keyring()?;
    foreign::record_owners();
    let ChrootLaunch { container, seccomp, narrowing, .. } = launch;
    let Rootfs::Directory(root) = &container.rootfs else { return Err(message("there is no folder to be the root")) };
    let folder = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let folder = folder.doing("open", root)?;
    if container.process.create_directory {
        MountPoints::make_directory(&folder, &container.process.directory)?;
    }
    let room = emulation::make_room().doing("make", "room in memory")?;
    reaper::block_all_but(Some(END_ALL));
    let (mut one, mut other) = UnixStream::pair().doing("make", "a pair of sockets")?;
    // SAFETY: this process has one thread, so the child may continue with anything.
    match unsafe { libc::fork() } {
        0 => drop(one),
        -1 => return Err(last_errno()).doing("start", "the program beside its supervisor"),
        child => {
            drop(other);
            let no_new_privileges = container.isolation.no_new_privileges;
            let supervision = Supervision { root, child, room, no_new_privileges };
            one.read_exact(&mut [0]).doing("hear from", "the program's process")?;
            let begun = emulation::begin(&supervision, folder).doing("trace", "the program")?;
            one.write_all(&[0]).doing("tell", "the program's process")?;
            drop(one);
            channel.close();
            std::process::exit(begun.follow(&supervision));
        }
    }
    // The tracer must be allowed to access it.
    own::let_others_look();
    other.write_all(&[0]).doing("tell", "the supervisor")?;
    if other.read_exact(&mut [0]).is_err() {
        std::process::exit(1);
    }
    drop(other);
    let usual_files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if prepare_process(&container.process, channel)?.is_some() {
        return Err(message("a terminal takes more rights than there are here"));
    }
    rustix::process::fchdir(&folder).doing("enter", root)?;
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
    program.execute_traced(channel, || {
        rustix::thread::set_no_new_privs(true).doing("forbid", "new privileges")?;
        landlock::stay_below(folder.as_fd(), emulation::outside())?;
        load_filter(narrowing.as_deref())?;
        Ok(emulation::filter())
    })
}
