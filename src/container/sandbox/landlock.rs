//! Landlock (landlock(7)): a program on the host's network reaches no abstract sockets outside of its container.
//!
//! Such a socket has a name in the network namespace and no file, so nothing else keeps one who shares that namespace
//! from talking to the host's services. Only that is restricted, no files: mounts and setuid programs work as before.
//!
//! The kernel also keeps a restricted process from looking into those outside of its own domain (ptrace(2)). A program
//! that `exec` starts has a domain of its own, for no process can join another's.

use std::ffi::CStr;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use super::error::InitError;
use super::mount_api::last_errno;

/// Asks for the version (linux/landlock.h).
const CREATE_RULESET_VERSION: libc::c_ulong = 1;
const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;
/// The first version of the interface that has scopes: Linux 6.12.
const FIRST_WITH_SCOPES: u32 = 6;

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct RulesetAttributes {
    handled_files: u64,
    handled_network: u64,
    scoped: u64,
}

/// The version of the kernel's interface; 0 where there is none, or it is switched off.
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

/// From now on this thread, and what it starts, connects to abstract sockets of the same only. It needs CAP_SYS_ADMIN in
/// its user namespace, or no-new-privileges. Where the kernel can't do that, nothing happens.
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
    // SAFETY: numbers only; the descriptor was made above, and nothing else knows of it.
    let restricted = unsafe {
        let restricted = libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0);
        let errno = *libc::__errno_location();
        libc::close(ruleset as i32);
        *libc::__errno_location() = errno;
        restricted
    };
    if restricted == 0 { Ok(()) } else { Err(failed()) }
}

/// `struct landlock_path_beneath_attr`, which has no room between its members.
#[repr(C, packed)]
struct BeneathAttributes {
    allowed: u64,
    folder: i32,
}

/// Rights over files, of which each version of the interface knows more: (version, how many).
const FILE_RIGHTS: [(u32, u32); 4] = [(1, 13), (2, 14), (3, 15), (5, 16)];
const SCOPE_SIGNAL: u64 = 2;
/// To read and write files, to cut them, and to ask devices (`LANDLOCK_ACCESS_FS_...`).
const USE_FILES: u64 = 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15;
const READ_FOLDERS: u64 = 1 << 3;

/// From now on this thread, and what it starts, uses files below its root only, whatever else it gets a handle of a folder
/// of; it signals, and connects to abstract sockets of, the same only where the kernel can do that, and traces nobody
/// else. It needs no-new-privileges. Where the kernel has no Landlock, nothing happens.
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

/// The same of a folder that is not the root; and of these, where they are there, what files they are or have is read and
/// written.
pub(super) fn stay_below<'a>(folder: BorrowedFd<'_>, others: impl Iterator<Item = &'a CStr>) -> Result<(), InitError> {
    let version = landlock_version();
    let rights = FILE_RIGHTS.iter().rev().find(|(first, _)| *first <= version).map_or(0, |(_, count)| (1 << count) - 1);
    if rights == 0 {
        return Ok(());
    }
    let scoped = if version >= FIRST_WITH_SCOPES { SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL } else { 0 };
    let attributes = RulesetAttributes { handled_files: rights, handled_network: 0, scoped };
    // The kernel takes a longer structure than it knows only when the rest of it is zeros.
    let size = if version >= FIRST_WITH_SCOPES { size_of::<RulesetAttributes>() } else { size_of::<u64>() };
    // SAFETY: the calls read structures that live until they return, of the sizes that are given; the descriptors are made
    // here, and nothing else knows of them.
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
