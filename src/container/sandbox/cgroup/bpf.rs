//! A program that decides whether processes of a cgroup may open or create a device (bpf(2)).

use std::ffi::{CStr, c_char};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::device_program::Instruction;

/// linux/bpf.h
const PROGRAM_LOAD: i32 = 5;
const PROGRAM_ATTACH: i32 = 8;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Programs of parent cgroups are called as well, and all of them have to allow the access.
const ALLOW_MULTI: u32 = 2;

/// The kernel requires a compatible license only for certain helper functions; this program calls none.
const LICENSE: &CStr = c"Apache-2.0";

/// The first fields of `union bpf_attr` for `BPF_PROG_LOAD`; the kernel treats the others as zero.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: *const Instruction,
    license: *const c_char,
    log_level: u32,
    log_size: u32,
    log: *const u8,
    kernel_version: u32,
    flags: u32,
}

/// The same for `BPF_PROG_ATTACH`.
#[repr(C)]
struct Attach {
    target: RawFd,
    program: RawFd,
    kind: u32,
    flags: u32,
}

/// Lets the program decide about devices for all processes in the cgroup or below it, as long as the cgroup exists.
pub(super) fn guard_devices(cgroup: &Path, program: &[Instruction]) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let cgroup = rustix::fs::open(cgroup, flags, Mode::empty())?;
    let program = load(program)?;
    let attach = Attach {
        target: cgroup.as_raw_fd(),
        program: program.as_raw_fd(),
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: the call reads `size` bytes of the structure, which has no padding and lives until it returns; both
    // descriptors are open.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, PROGRAM_ATTACH, std::ptr::from_ref(&attach), size_of::<Attach>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let load = Load {
        kind: TYPE_CGROUP_DEVICE,
        count: program.len() as u32,
        instructions: program.as_ptr(),
        license: LICENSE.as_ptr(),
        log_level: 0,
        log_size: 0,
        log: std::ptr::null(),
        kernel_version: 0,
        flags: 0,
    };
    // SAFETY: the call reads `size` bytes of the structure, which has no padding, `count` instructions and the license;
    // all live until it returns. The result is a new descriptor (with `O_CLOEXEC`) that nothing else owns.
    unsafe {
        let program = libc::syscall(libc::SYS_bpf, PROGRAM_LOAD, std::ptr::from_ref(&load), size_of::<Load>());
        if program < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(program as RawFd)) }
    }
}

/// Whether such programs can be loaded here.
pub(super) fn is_allowed() -> bool {
    load(&super::device_program::assemble(&[])).is_ok()
}
