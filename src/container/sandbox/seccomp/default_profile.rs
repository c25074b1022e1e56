//! docker's default profile: system calls that are not listed fail with EPERM.

use super::profile::{Action, Comparison, Condition, Rule, Rules};
use super::syscalls::Architecture;
use crate::container::sandbox::capability::CapabilitySet;

/// Allowed for every container.
const ALWAYS: &str = "
    accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
    clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
    epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
    exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2
    fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
    fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
    futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
    getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom
    getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt
    get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64
    ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset
    landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr
    _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret
    mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify
    mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl
    msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open
    openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll
    ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6
    pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg
    recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall
    riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam
    sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
    seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto
    setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority
    setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list
    setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget
    shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs
    statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create
    timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
    timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit
    umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid
    write writev";

/// Allowed for containers with that capability.
const WITH_CAPABILITY: [(&str, &str); 14] = [
    ("DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
        lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd
        setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    ("SYS_BOOT", "reboot"),
    ("SYS_CHROOT", "chroot"),
    ("SYS_MODULE", "delete_module init_module finit_module"),
    ("SYS_PACCT", "acct"),
    ("SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("SYS_RAWIO", "iopl ioperm"),
    ("SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("SYS_TTY_CONFIG", "vhangup"),
    ("SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("SYSLOG", "syslog"),
    ("BPF", "bpf"),
    ("PERFMON", "perf_event_open"),
];

/// Allowed on that architecture, including programs of its 32-bit forms.
const WITH_ARCHITECTURE: [(Architecture, &str); 2] = [
    (Architecture::X86_64, "arch_prctl modify_ldt"),
    (Architecture::Aarch64, "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2"),
];

/// The socket families other than the refused ones: AF_ALG, the kernel's cryptography (where CVE-2026-31431 was), and
/// AF_VSOCK, the connection to the host of a virtual machine. One rule each, because libseccomp, which other runtimes
/// use, accepts one comparison of an argument per rule.
///
/// i386's socketcall(2) has its arguments in memory, where a filter can't read them. It stays allowed, as in docker,
/// because the C library of 32-bit programs has no alternative; the AppArmor profile closes this gap.
const SOCKET_FAMILIES: [(Comparison, u64); 3] = [
    (Comparison::Less, libc::AF_ALG as u64),
    (Comparison::Equal, libc::AF_ALG as u64 + 1),
    (Comparison::Greater, libc::AF_VSOCK as u64),
];

/// The execution domains that personality(2) may set or query.
const PERSONALITIES: [u64; 5] = [0, 0x0008, 0x20000, 0x20008, 0xffff_ffff];

/// The flags of clone(2) that create namespaces.
const NAMESPACE_FLAGS: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP) as u64;

/// `native` is the machine's architecture.
pub(super) fn rules(capabilities: CapabilitySet, native: Architecture) -> Rules {
    let mut rules: Vec<Rule> = ALWAYS.split_whitespace().map(allow).collect();
    for (_, names) in WITH_ARCHITECTURE.iter().filter(|(architecture, _)| *architecture == native) {
        rules.extend(names.split_whitespace().map(allow));
    }
    for (capability, names) in WITH_CAPABILITY {
        if capabilities.contains(capability) {
            rules.extend(names.split_whitespace().map(allow));
        }
    }
    rules.extend(SOCKET_FAMILIES.map(|(comparison, family)| allow_if("socket", comparison, family, 0)));
    rules.extend(PERSONALITIES.map(|domain| allow_if("personality", Comparison::Equal, domain, 0)));
    if !capabilities.contains("SYS_ADMIN") {
        rules.push(allow_if("clone", Comparison::MaskedEqual, NAMESPACE_FLAGS, 0));
        // Its flags are in memory, where a filter can't read them; on ENOSYS the C library falls back to clone.
        rules.push(Rule { action: Action::errno(libc::ENOSYS), ..allow("clone3") });
    }
    Rules { default: Action::errno(libc::EPERM), rules, architectures: native.family().to_vec() }
}

fn allow(name: &str) -> Rule {
    Rule { name: name.to_owned(), conditions: Vec::new(), action: Action::ALLOW }
}

fn allow_if(name: &str, op: Comparison, value: u64, value_two: u64) -> Rule {
    Rule { conditions: vec![Condition { index: 0, value, value_two, op }], ..allow(name) }
}
