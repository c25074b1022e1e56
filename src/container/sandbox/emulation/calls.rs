//! The system calls that the supervisor handles, and their handlers.

use std::collections::HashMap;

use super::call::{Call, Reply};
use super::programs::Programs;
use super::{attributes, credentials, execute, names, open, others, owners, stat};
use crate::container::sandbox::seccomp::{self, Value};

pub(super) type Handler = fn(&mut Programs, &Call) -> Reply;

const ANSWERED: &[(&str, Handler)] = &[
    ("open", open::open),
    ("openat", open::openat),
    ("creat", open::creat),
    ("chdir", open::chdir),
    ("chroot", open::chroot),
    ("getcwd", open::getcwd),
    ("inotify_add_watch", open::inotify_add_watch),
    ("truncate", open::truncate),
    ("statfs", open::statfs),
    ("stat", stat::stat),
    ("lstat", stat::lstat),
    ("fstat", stat::fstat),
    ("newfstatat", stat::newfstatat),
    ("statx", stat::statx),
    ("access", stat::access),
    ("faccessat", stat::faccessat),
    ("faccessat2", stat::faccessat2),
    ("readlink", stat::readlink),
    ("readlinkat", stat::readlinkat),
    ("mkdir", names::mkdir),
    ("mkdirat", names::mkdirat),
    ("mknod", names::mknod),
    ("mknodat", names::mknodat),
    ("symlink", names::symlink),
    ("symlinkat", names::symlinkat),
    ("link", names::link),
    ("linkat", names::linkat),
    ("unlink", names::unlink),
    ("unlinkat", names::unlinkat),
    ("rmdir", names::rmdir),
    ("rename", names::rename),
    ("renameat", names::renameat),
    ("renameat2", names::renameat2),
    ("chmod", owners::chmod),
    ("fchmod", owners::fchmod),
    ("fchmodat", owners::fchmodat),
    ("fchmodat2", owners::fchmodat2),
    ("chown", owners::chown),
    ("lchown", owners::lchown),
    ("fchown", owners::fchown),
    ("fchownat", owners::fchownat),
    ("utime", owners::utime),
    ("utimes", owners::utimes),
    ("futimesat", owners::futimesat),
    ("utimensat", owners::utimensat),
    ("setxattr", attributes::setxattr),
    ("lsetxattr", attributes::lsetxattr),
    ("fsetxattr", attributes::fsetxattr),
    ("getxattr", attributes::getxattr),
    ("lgetxattr", attributes::lgetxattr),
    ("fgetxattr", attributes::fgetxattr),
    ("listxattr", attributes::listxattr),
    ("llistxattr", attributes::llistxattr),
    ("flistxattr", attributes::flistxattr),
    ("removexattr", attributes::removexattr),
    ("lremovexattr", attributes::lremovexattr),
    ("fremovexattr", attributes::fremovexattr),
    ("execve", execute::execve),
    ("execveat", execute::execveat),
    ("umask", credentials::umask),
    ("getuid", credentials::getuid),
    ("geteuid", credentials::geteuid),
    ("getgid", credentials::getgid),
    ("getegid", credentials::getegid),
    ("getresuid", credentials::getresuid),
    ("getresgid", credentials::getresgid),
    ("getgroups", credentials::getgroups),
    ("setuid", credentials::setuid),
    ("setgid", credentials::setgid),
    ("setreuid", credentials::setreuid),
    ("setregid", credentials::setregid),
    ("setresuid", credentials::setresuid),
    ("setresgid", credentials::setresgid),
    ("setfsuid", credentials::setfsuid),
    ("setfsgid", credentials::setfsgid),
    ("setgroups", credentials::setgroups),
    ("capget", credentials::capget),
    ("capset", credentials::capset),
    ("kill", others::kill),
    ("tkill", others::of_thread),
    ("tgkill", others::of_process),
    ("rt_sigqueueinfo", others::of_process),
    ("rt_tgsigqueueinfo", others::of_process),
    ("setpriority", others::priority),
    ("ioprio_set", others::disk_priority),
    ("connect", others::socket_address),
    ("bind", others::socket_address),
    ("sendmsg", others::message),
    ("sendmmsg", others::messages),
    ("sched_getaffinity", others::processors),
    ("sched_setaffinity", others::set_processors),
    ("ptrace", others::ptrace),
    ("process_vm_readv", others::other_memory),
    ("process_vm_writev", others::other_memory),
];

/// The same of calls whose arguments have these values.
const ANSWERED_IN_PART: &[(&str, &[Value], Handler)] = &[
    ("getsockopt", &[int(1, libc::SOL_SOCKET), int(2, libc::SO_PEERCRED)], others::peer),
    ("socket", &[bits(1, KIND, libc::SOCK_RAW)], others::raw_socket),
    // Without one, it goes to the other end.
    ("sendto", &[Value::Any { argument: 4 }], others::destination),
    // The thread itself.
    ("prlimit64", OF_OTHERS, others::of_thread_or_own),
    ("sched_setscheduler", OF_OTHERS, others::of_thread_or_own),
    ("sched_setparam", OF_OTHERS, others::of_thread_or_own),
    ("sched_setattr", OF_OTHERS, others::of_thread_or_own),
];

const OF_OTHERS: &[Value] = &[Value::Any { argument: 0 }];

const fn int(argument: u32, value: i32) -> Value {
    bits(argument, u32::MAX as u64, value)
}

const fn bits(argument: u32, mask: u64, value: i32) -> Value {
    Value::Bits { argument, mask, are: value as u32 as u64 }
}

/// `SOCK_TYPE_MASK` of the kernel.
const KIND: u64 = 0xf;

/// Unsupported calls and their errno. Programs do without them, or use an older call.
const REFUSED: &[(&str, i32)] = &[
    ("openat2", libc::ENOSYS),
    ("clone3", libc::ENOSYS),
    ("open_tree", libc::ENOSYS),
    ("statmount", libc::ENOSYS),
    ("io_uring_setup", libc::ENOSYS),
    ("io_uring_enter", libc::ENOSYS),
    ("io_uring_register", libc::ENOSYS),
    ("setxattrat", libc::ENOSYS),
    ("getxattrat", libc::ENOSYS),
    ("listxattrat", libc::ENOSYS),
    ("removexattrat", libc::ENOSYS),
    ("file_getattr", libc::ENOSYS),
    ("file_setattr", libc::ENOSYS),
    ("name_to_handle_at", libc::EOPNOTSUPP),
    ("open_by_handle_at", libc::EPERM),
    ("fanotify_init", libc::ENOSYS),
    ("pidfd_getfd", libc::ENOSYS),
    ("pidfd_send_signal", libc::ENOSYS),
    ("process_madvise", libc::EPERM),
    ("process_mrelease", libc::EPERM),
    ("kcmp", libc::EPERM),
    ("migrate_pages", libc::EPERM),
    ("move_pages", libc::EPERM),
    ("pivot_root", libc::EPERM),
    ("mount", libc::EPERM),
    ("umount2", libc::EPERM),
    ("unshare", libc::EPERM),
    ("setns", libc::EPERM),
    ("swapon", libc::EPERM),
    ("acct", libc::EPERM),
    ("uselib", libc::ENOSYS),
    ("landlock_create_ruleset", libc::EOPNOTSUPP),
];

/// The filter that stops at the calls for the supervisor.
pub(in crate::container::sandbox) fn filter() -> Vec<u64> {
    let answered: Vec<&str> = ANSWERED.iter().map(|(name, _)| *name).collect();
    let in_part: Vec<_> = ANSWERED_IN_PART.iter().map(|(name, values, _)| (*name, *values)).collect();
    seccomp::tracing(&answered, &in_part, REFUSED)
}

/// By system call number.
pub(super) fn handlers() -> HashMap<u64, Handler> {
    let number = |(name, handler): (&str, Handler)| Some((u64::from(seccomp::call_number(name)?), handler));
    let in_part = ANSWERED_IN_PART.iter().map(|(name, _, handler)| (*name, *handler));
    ANSWERED.iter().copied().chain(in_part).filter_map(number).collect()
}
