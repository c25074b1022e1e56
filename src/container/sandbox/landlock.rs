//! Landlock (landlock(7)): keeps a program on the host's network from abstract sockets outside of its container.
//!
//! Such a socket has a name in the network namespace and no file, so nothing else keeps a process in that namespace
//! from talking to the host's services. Only this is restricted, not files: mounts and setuid programs work as before.
//!
//! The kernel also keeps a restricted process from tracing processes outside of its own domain (ptrace(2)). A program
//! that `exec` starts has a domain of its own, because no process can join another's.

use std::ffi::CStr;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use super::error::InitError;
use super::mount_api::last_errno;

/// Queries the version (linux/landlock.h).
const CREATE_RULESET_VERSION: libc::c_ulong = 1;
const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;
/// The first version of the ABI with scopes: Linux 6.12.
const FIRST_WITH_SCOPES: u32 = 6;

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct RulesetAttributes {
    handled_files: u64,
    handled_network: u64,
    scoped: u64,
}

/// The version of the kernel's ABI; 0 if Landlock is missing or disabled.
pub fn landlock_version() -> u32 {
    // SAFETY: with this flag and a null pointer the call reads nothing (landlock_create_ruleset(2)).
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, CREATE_RULESET_VERSION)
    };
    u32::try_from(version).unwrap_or(0)
}

/// Whether programs on the host's network can be kept from its abstract sockets.
pub fn can_scope_sockets() -> bool {
    landlock_version() >= FIRST_WITH_SCOPES
}

/// Restricts this thread and its children to their own abstract sockets. It needs CAP_SYS_ADMIN in its user namespace,
/// or no-new-privileges. Does nothing if the kernel does not support it.
pub(super) fn scope_sockets() -> Result<(), InitError> {
    if !can_scope_sockets() {
        return Ok(());
    }
    let attributes = RulesetAttributes { handled_files: 0, handled_network: 0, scoped: SCOPE_ABSTRACT_UNIX_SOCKET };
    // SAFETY: the call reads `size` bytes of the structure, which lives until it returns.
    let ruleset = unsafe {
        let size = size_of::<RulesetAttributes>();
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::from_ref(&attributes), size, 0)
    };
    if ruleset < 0 {
        return Err(failed());
    }
    // SAFETY: numbers only; the descriptor was created above, and nothing else owns it.
    let restricted = unsafe {
        let restricted = libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0);
        let errno = *libc::__errno_location();
        libc::close(ruleset as i32);
        *libc::__errno_location() = errno;
        restricted
    };
    if restricted == 0 { Ok(()) } else { Err(failed()) }
}

/// `struct landlock_path_beneath_attr`, which is packed.
#[repr(C, packed)]
struct BeneathAttributes {
    allowed: u64,
    folder: i32,
}

/// The number of file access rights by ABI version: (version, number).
const FILE_RIGHTS: [(u32, u32); 4] = [(1, 13), (2, 14), (3, 15), (5, 16)];
const SCOPE_SIGNAL: u64 = 2;
/// Reading, writing and truncating files, and ioctl on devices (`LANDLOCK_ACCESS_FS_...`).
const USE_FILES: u64 = 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15;
const READ_FOLDERS: u64 = 1 << 3;

/// Restricts this thread and its children to files below its root, whatever folder handles they get; to signalling and
/// abstract sockets among themselves, if the kernel supports that; and to tracing among themselves. It needs
/// no-new-privileges. Does nothing if the kernel has no Landlock.
pub(super) fn stay_below_root() -> Result<(), InitError> {
    // SAFETY: the path is a C string, and the descriptor is new.
    let root = unsafe {
        match libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC) {
            -1 => return Err(not_kept()),
            root => OwnedFd::from_raw_fd(root),
        }
    };
    stay_below(root.as_fd(), std::iter::empty())
}

/// The same for a folder that is not the root; `others`, if they exist, can be read and written.
pub(super) fn stay_below<'a>(folder: BorrowedFd<'_>, others: impl Iterator<Item = &'a CStr>) -> Result<(), InitError> {
    let version = landlock_version();
    let rights = FILE_RIGHTS.iter().rev().find(|(first, _)| *first <= version).map_or(0, |(_, count)| (1 << count) - 1);
    if rights == 0 {
        return Ok(());
    }
    let scoped = if version >= FIRST_WITH_SCOPES { SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL } else { 0 };
    let attributes = RulesetAttributes { handled_files: rights, handled_network: 0, scoped };
    // The kernel accepts a longer structure than it knows only if the rest is zero.
    let size = if version >= FIRST_WITH_SCOPES { size_of::<RulesetAttributes>() } else { size_of::<u64>() };
    // SAFETY: the calls read structures that live until they return, with the given sizes; the descriptors are created
    // here, and nothing else owns them.
    let restricted = unsafe {
        let ruleset = libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::from_ref(&attributes), size, 0) as i32;
        if ruleset < 0 {
            return Err(not_kept());
        }
        let allow = |folder: i32, allowed: u64| {
            const PATH_BENEATH: i32 = 1;
            let beneath = BeneathAttributes { allowed, folder };
            libc::syscall(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, std::ptr::from_ref(&beneath), 0)
        };
        let mut done = allow(folder.as_raw_fd(), rights);
        for other in others {
            let other = libc::open(other.as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
            if done == 0 && other >= 0 {
                let mut stat: libc::stat = std::mem::zeroed();
                libc::fstat(other, &raw mut stat);
                let is_folder = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
                done = allow(other, rights & if is_folder { USE_FILES | READ_FOLDERS } else { USE_FILES });
            }
            libc::close(other);
        }
        if done == 0 {
            done = libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0);
        }
        let errno = *libc::__errno_location();
        libc::close(ruleset);
        *libc::__errno_location() = errno;
        done
    };
    if restricted == 0 { Ok(()) } else { Err(not_kept()) }
}

fn not_kept() -> InitError {
    let (action, subject) = ("keep the program".to_owned(), "below its root".to_owned());
    InitError::System { action, subject, errno: last_errno().raw_os_error() }
}

fn failed() -> InitError {
    let (action, subject) = ("keep the program from".to_owned(), "abstract sockets of the host".to_owned());
    InitError::System { action, subject, errno: last_errno().raw_os_error() }
}
