//! Runs programs where rbuild has no rights at all: their root is a folder, and root's rights to it are emulated.
//!
//! A supervisor traces everything that a program starts (ptrace(2)). A seccomp filter stops a thread before each system
//! call that takes a path, an owner or a user. The supervisor executes most of them itself, by handles below the root,
//! and records what the kernel would refuse: owners, modes and devices in the extended attributes that a store without
//! rights uses anyway (`base::foreign`), a program's credentials in the supervisor's memory. What the program has to do
//! itself, such as opening a file, it does with the host's path of what was found. Landlock keeps it below its root in
//! any case.
//!
//! Programs don't notice: this works for static ones, and with any C library.

mod attributes;
mod call;
mod calls;
mod credentials;
mod elf;
mod execute;
mod execution;
mod load;
mod memory;
mod names;
mod open;
mod others;
mod owners;
mod paths;
mod placement;
mod process_files;
mod programs;
mod refusals;
mod root;
mod stat;
mod supervisor;
mod task;
mod trace;
mod user;

use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Result;

use crate::base::foreign::LinkOwners;
use programs::Programs;
use refusals::Refusals;
use supervisor::Supervisor;

pub(in crate::container::sandbox) use calls::filter;

/// What a program uses outside of its root: harmless devices, and its own entries in `/proc`.
pub(super) fn outside() -> impl Iterator<Item = &'static CStr> {
    open::DEVICES.iter().map(|(_, path)| *path).chain([c"/proc"])
}

/// Maps memory in which the supervisor later puts its data for the program.
pub(super) fn make_room() -> Result<u64> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: it is new memory, which nothing else uses.
    let room = unsafe { libc::mmap(std::ptr::null_mut(), memory::ROOM_BYTES as usize, protection, flags, -1, 0) };
    if room == libc::MAP_FAILED { Err(super::mount_api::last_errno()) } else { Ok(room as u64) }
}

/// The options for supervising a waiting child.
pub(super) struct Supervision<'a> {
    pub(super) root: &'a Path,
    pub(super) child: i32,
    /// Mapped before the child was forked.
    pub(super) room: u64,
    pub(super) no_new_privileges: bool,
}

/// Starts to trace the child.
pub(super) fn begin(supervision: &Supervision<'_>, root: OwnedFd) -> Result<Begun> {
    let links = LinkOwners::of(supervision.root).map_err(|error| error.errno().unwrap_or(rustix::io::Errno::IO))?;
    let root = root::Root::new(root)?;
    trace::Tracee(supervision.child).seize()?;
    let placement = placement::Placement::begin(supervision.child);
    let programs = Programs {
        root,
        links,
        tasks: HashMap::new(),
        first: supervision.child,
        refusals: Refusals::default(),
        placement,
        no_new_privileges: supervision.no_new_privileges,
    };
    Ok(Begun(Supervisor::new(programs)))
}

pub(super) struct Begun(Supervisor);

impl Begun {
    /// Returns its exit code when no process is left.
    pub(super) fn follow(mut self, supervision: &Supervision<'_>) -> i32 {
        let code = self.0.follow(trace::Tracee(supervision.child), supervision.room);
        self.0.programs.refusals.write(supervision.root, code);
        match self.0.programs.links.write(supervision.root) {
            Ok(()) => code,
            Err(_) => 125,
        }
    }
}
