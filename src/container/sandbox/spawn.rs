//! Starts a container: one clone(2) with all namespaces, which executes this binary as its init.

use std::ffi::{CString, c_char, c_void};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::path::PathBuf;
use std::ptr;

use super::cgroup::{self, Cgroup};
use super::channel::{CHANNEL_FD, Channel, Launch, NETWORK_FD, NetworkAction, Order, Report, USERS_FD};
use super::container::{Container, Rootfs, Stdio, Stream};
use super::error::{SandboxError, start_error};
use super::isolation::{Isolation, Namespace, Namespaces, NetworkIsolation};
use super::mount_points::remove_mount_points;
use super::null_device::null_device;
use super::running::Running;
use super::without::Without;
use super::{CapabilitySet, executable, refusal, sysctl};
use crate::base::identity::Identity;

/// Enough for the few calls between clone and execve.
const STACK_BYTES: usize = 32 << 10;

/// What the child does before execve, prepared in advance: it shares this process's memory and must not allocate.
struct ChildPlan {
    /// Moved to 0, 1, 2, and so on.
    descriptors: [RawFd; 6],
    executable: RawFd,
    arguments: [*const c_char; 2],
    environment: [*const c_char; 1],
    /// The error, for the parent.
    errno: i32,
}

/// Starts the container's program. Returns once it is executed, or why it can't be.
pub fn spawn(container: &Container, stdio: Stdio) -> Result<Running, SandboxError> {
    prepare(container, stdio)?.start()
}

/// Starts to set up a container. What its program needs besides its files can be prepared meanwhile.
pub fn prepare(container: &Container, stdio: Stdio) -> Result<Prepared, SandboxError> {
    Prepared::begin(container, stdio, Until::Executed)
}

/// How far an init goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Mounted,
    /// Everything except executing the program.
    Ready,
    Executed,
}

/// A container whose init mounts its files and then waits. If this is dropped, nothing of it is left.
#[derive(Debug)]
pub struct Prepared {
    /// Both exist until one of the methods continues.
    parts: Option<(Running, Channel)>,
    /// Where mount points are created.
    upper: Option<PathBuf>,
}

impl Prepared {
    /// Starts the init, and sends its request.
    pub(super) fn begin(container: &Container, stdio: Stdio, until: Until) -> Result<Self, SandboxError> {
        let isolation = &container.isolation;
        sysctl::check(&isolation.sysctls, isolation)?;
        let capabilities = if isolation.privileged { CapabilitySet::ALL } else { isolation.capabilities };
        let network = match (isolation.joined_network(), &isolation.network) {
            (Some(_), _) => NetworkAction::Join,
            (None, NetworkIsolation::Host) => NetworkAction::Keep,
            (None, _) => NetworkAction::Fresh,
        };
        let launch = Order::Start(Box::new(Launch {
            container: container.clone(),
            hold: until == Until::Ready,
            seccomp: if isolation.privileged { None } else { isolation.seccomp.program(capabilities) },
            network,
            ids: isolation.users.as_ref().map(|users| users.ids.clone()),
            scopes_sockets: isolation.scopes_sockets(),
            cgroups: cgroup::container_mounts(),
        }));
        let cgroup = Cgroup::create(isolation)?;
        let (mut channel, theirs) = Channel::pair().map_err(start_error("make a channel"))?;
        let running = Running::new(start_first(isolation, stdio, theirs)?, cgroup)?;
        running.enter_cgroup()?;
        // Writing fails if the init is dead already; its report says more.
        let _ = channel.send(&launch);
        let upper = match &container.rootfs {
            Rootfs::Overlay(stack) => stack.upper.clone(),
            Rootfs::Directory(path) => Some(path.clone()),
        };
        Ok(Self { parts: Some((running, channel)), upper })
    }

    /// Returns once the program is executed, or why it can't be.
    pub fn start(self) -> Result<Running, SandboxError> {
        self.go_on(Until::Executed).map(|(running, _)| running)
    }

    /// Like `start`, for a program that can't be executed; returns what it would have to do without, and the outcome.
    pub(super) fn rehearse(mut self) -> (Vec<Without>, Result<(), SandboxError>) {
        let Some((mut running, mut channel)) = self.parts.take() else {
            return (Vec::new(), Err(SandboxError::InitDied));
        };
        let _ = channel.send(&Order::GoOn);
        let ended = follow(&mut running, &mut channel, Until::Executed);
        let without = running.without().to_vec();
        self.undo(running);
        (without, ended)
    }

    pub(super) fn go_on(mut self, until: Until) -> Result<(Running, Channel), SandboxError> {
        let (mut running, mut channel) = self.parts.take().ok_or(SandboxError::InitDied)?;
        // As above.
        let _ = channel.send(&Order::GoOn);
        match follow(&mut running, &mut channel, until) {
            Ok(()) => Ok((running, channel)),
            Err(error) => {
                self.undo(running);
                Err(error)
            }
        }
    }

    /// Ends it, and removes what was created only as a mount point.
    fn undo(&self, running: Running) {
        let created = running.created_mount_points().to_vec();
        drop(running);
        if let Some(upper) = &self.upper {
            // The error that is being returned says more.
            let _ = remove_mount_points(upper, &created);
        }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some((mut running, mut channel)) = self.parts.take() {
            // Waits until it is known what it creates. If this fails, nobody needs the reason any longer.
            let _ = follow(&mut running, &mut channel, Until::Mounted);
            self.undo(running);
        }
    }
}

fn start_first(isolation: &Isolation, stdio: Stdio, channel: OwnedFd) -> Result<i32, SandboxError> {
    let mut namespaces = libc::CLONE_NEWNS | flags_of(isolation.namespaces);
    let joined = Joined {
        network: isolation.joined_network().map(|namespace| namespace.as_raw_fd()),
        users: isolation.users.as_ref().map(|users| users.namespace.as_raw_fd()),
    };
    if joined.network.is_none() && !matches!(isolation.network, NetworkIsolation::Host) {
        namespaces |= libc::CLONE_NEWNET;
    }
    start_init(namespaces, joined, &stdio, &channel, null_device)
}

/// Reads the init's reports until it has come that far.
pub(super) fn follow(running: &mut Running, channel: &mut Channel, until: Until) -> Result<(), SandboxError> {
    let mut ready = false;
    loop {
        match channel.receive().map_err(start_error("hear from the container's init"))? {
            Some(Report::Terminal) => {
                running.set_terminal(channel.receive_descriptor().map_err(start_error("receive the terminal"))?);
            }
            Some(Report::Scratch) => {
                let folder = channel.receive_descriptor().map_err(start_error("receive the folder of changes"))?;
                running.set_scratch(folder);
            }
            Some(Report::Without(without)) => running.do_without(without),
            Some(Report::Mounted { created, without }) => {
                running.do_without(without);
                running.add_created(created);
                if until == Until::Mounted {
                    return Ok(());
                }
            }
            Some(Report::Ready { created }) => {
                running.add_created(created);
                if until == Until::Ready {
                    return Ok(());
                }
                ready = true;
            }
            Some(Report::Failed(error)) => return Err(error.into()),
            Some(Report::Entered { pid }) => running.go_on_as(pid)?,
            None if ready => return Ok(()),
            None => return Err(SandboxError::InitDied),
        }
    }
}

/// The descriptors of what the init joins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joined {
    /// A network namespace, or a process of a container.
    pub(super) network: Option<RawFd>,
    pub(super) users: Option<RawFd>,
}

/// Executes the init in new namespaces. Streams that are not given become null devices.
pub(super) fn start_init(
    namespaces: i32,
    joined: Joined,
    stdio: &Stdio,
    channel: &OwnedFd,
    null_device: impl FnOnce() -> io::Result<OwnedFd>,
) -> Result<i32, SandboxError> {
    let streams = [&stdio.stdin, &stdio.stdout, &stdio.stderr];
    let needs_null = streams.iter().any(|stream| matches!(stream, Stream::Null));
    let null = needs_null.then(null_device).transpose().map_err(start_error("open a null device"))?;
    let number = |stream: &Stream| match stream {
        Stream::Null => null.as_ref().map_or(-1, OwnedFd::as_raw_fd),
        Stream::Fd(fd) => fd.as_raw_fd(),
    };
    let name = CString::new(Identity::Init.name()).map_err(io::Error::from).map_err(start_error("name the init"))?;
    let mut plan = ChildPlan {
        descriptors: [
            number(&stdio.stdin),
            number(&stdio.stdout),
            number(&stdio.stderr),
            channel.as_raw_fd(),
            joined.network.unwrap_or(-1),
            joined.users.unwrap_or(-1),
        ],
        executable: executable::own()?.as_raw_fd(),
        arguments: [name.as_ptr(), ptr::null()],
        environment: [ptr::null()],
        errno: 0,
    };
    const { assert!(CHANNEL_FD == 3 && NETWORK_FD == 4 && USERS_FD == 5, "the order of `descriptors`") };
    clone_and_execute(&mut plan, namespaces)
}

fn flags_of(namespaces: Namespaces) -> i32 {
    let own = |namespace: Namespace, flag: i32| if namespace == Namespace::Own { flag } else { 0 };
    own(namespaces.pid, libc::CLONE_NEWPID)
        | own(namespaces.ipc, libc::CLONE_NEWIPC)
        | own(namespaces.uts, libc::CLONE_NEWUTS)
}

/// Starts the child in new namespaces. Returns its PID once it has been executed.
fn clone_and_execute(plan: &mut ChildPlan, namespaces: i32) -> Result<i32, SandboxError> {
    let mut stack = vec![0u128; STACK_BYTES / size_of::<u128>()];
    let flags = namespaces | libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let blocked = SignalsBlocked::new();
    // SAFETY: clone needs the upper end of a stack that stays until the child has left it; CLONE_VFORK suspends this
    // thread until the child has called execve or _exit, so `stack` and `plan` outlive its use of them. u128 has the
    // alignment of 16 bytes that the ABI requires. The child only makes async-signal-safe calls, with all signals
    // blocked, so no handler of this process runs on its stack.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.len());
        libc::clone(execute_init, top.cast::<c_void>(), flags, ptr::from_mut(plan).cast::<c_void>())
    };
    let error = io::Error::last_os_error();
    drop(blocked);
    if pid < 0 && error.raw_os_error() == Some(libc::EPERM) {
        return Err(refusal::of_own_namespaces(&error).into());
    }
    if pid < 0 {
        return Err(SandboxError::Start { action: "make namespaces", source: error });
    }
    // The child has written it before the parent continues: the memory is shared.
    if plan.errno != 0 {
        // SAFETY: waitpid takes the PID of our own child, and no status is requested.
        unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
        let source = io::Error::from_raw_os_error(plan.errno);
        return Err(SandboxError::Start { action: "execute the container's init", source });
    }
    Ok(pid)
}

/// The child's side of clone, in the parent's memory: moves the descriptors into place and executes the init.
extern "C" fn execute_init(argument: *mut c_void) -> i32 {
    // SAFETY: `argument` is the plan that `clone_and_execute` owns, and the parent thread is suspended, so nothing else
    // uses it. Every call is a plain system call (signal-safety(7)); nothing allocates or locks.
    unsafe {
        let plan = &mut *argument.cast::<ChildPlan>();
        // First moves all descriptors out of the target range, then to their targets.
        for descriptor in plan.descriptors.iter_mut().chain([&mut plan.executable]) {
            if *descriptor >= 0 {
                *descriptor = libc::fcntl(*descriptor, libc::F_DUPFD_CLOEXEC, 10);
                if *descriptor < 0 {
                    plan.errno = *libc::__errno_location();
                    libc::_exit(127);
                }
            }
        }
        for (place, descriptor) in plan.descriptors.iter().enumerate() {
            if *descriptor >= 0 && libc::dup2(*descriptor, place as RawFd) < 0 {
                plan.errno = *libc::__errno_location();
                libc::_exit(127);
            }
        }
        let (arguments, environment) = (plan.arguments.as_ptr(), plan.environment.as_ptr());
        libc::syscall(libc::SYS_execveat, plan.executable, c"".as_ptr(), arguments, environment, libc::AT_EMPTY_PATH);
        plan.errno = *libc::__errno_location();
        libc::_exit(127)
    }
}

/// Blocks all signals of this thread while it exists.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> Self {
        // SAFETY: both sets are owned here and initialised by the calls before they are read.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            Self(before)
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled in by `new`.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut());
        }
    }
}
