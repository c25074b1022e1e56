//! A container with a running program.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, WaitId, WaitIdOptions};

use super::cgroup::Cgroup;
use super::channel::CreatedMountPoint;
use super::error::SandboxError;
use super::isolation::Limits;
use super::resources::Resources;
use super::watch::{self, Watch};
use super::without::Without;

/// Ends a program without namespaces, and everything that it has started. This signal has no other use: it only exists
/// on Linux, and the kernel never sends it (signal(7)).
pub(super) const END_ALL: Signal = Signal::STKFLT;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Code(u8),
    Signal(i32),
}

impl ExitStatus {
    /// As in a shell: 128 + n for a signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => 128u8.saturating_add(number as u8),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Outcome {
    pub status: ExitStatus,
    /// The kernel killed a process of the container because of its memory limit.
    pub out_of_memory: bool,
    /// What it used, if requested ([`Running::watch`]).
    pub resources: Option<Resources>,
}

/// The container lives until it is waited for; it is killed if this is dropped first.
///
/// The kernel kills the container when the *thread* that called `spawn` ends, so that thread should be the one that
/// waits (prctl(2), `PR_SET_PDEATHSIG`).
#[derive(Debug)]
pub struct Running {
    handle: Handle,
    cgroup: Option<Cgroup>,
    terminal: Option<OwnedFd>,
    created: Vec<CreatedMountPoint>,
    /// The folder with its changes, if they are in memory.
    scratch: Option<OwnedFd>,
    without: Vec<Without>,
    watch: Option<Box<Watch>>,
    waited: bool,
    /// Its first process was replaced by another one.
    has_moved: bool,
}

/// Refers to a running container from other threads.
#[derive(Debug, Clone)]
pub struct Handle {
    pid: i32,
    pidfd: Arc<OwnedFd>,
    /// The signal that ends all of it.
    end: Signal,
}

impl Running {
    pub(super) fn new(pid: i32, cgroup: Option<Cgroup>) -> Result<Self, SandboxError> {
        Ok(Self {
            handle: Handle::new(pid)?,
            cgroup,
            terminal: None,
            created: Vec::new(),
            scratch: None,
            without: Vec::new(),
            watch: None,
            waited: false,
            has_moved: false,
        })
    }

    /// For a container without a PID namespace: its first process ends all the others when it is told to.
    pub(super) fn ended_by_itself(mut self) -> Self {
        self.handle.end = END_ALL;
        self
    }

    /// A container that another runtime started. Its process became this one's child when that runtime ended: this
    /// process must be a subreaper (see [`take_in_orphans`]).
    pub fn adopt(pid: i32) -> Result<Self, SandboxError> {
        Self::new(pid, Some(Cgroup::of_process(pid)))
    }

    /// Continues with a process that this one has started before it ends. Only once, and only with a child of this
    /// process, because the container may choose the PID.
    pub(super) fn go_on_as(&mut self, pid: i32) -> Result<(), SandboxError> {
        let looks = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let process = rustix::process::Pid::from_raw(pid).ok_or(SandboxError::InitDied)?;
        let is_child = rustix::process::waitid(WaitId::Pid(process), looks).is_ok();
        if std::mem::replace(&mut self.has_moved, true) || !is_child {
            return Err(SandboxError::InitDied);
        }
        let next = Handle::new(pid)?;
        self.reap()?;
        self.handle = next;
        self.waited = false;
        Ok(())
    }

    pub(super) fn enter_cgroup(&self) -> Result<(), SandboxError> {
        self.cgroup.as_ref().map_or(Ok(()), |cgroup| cgroup.add(self.handle.pid))
    }

    /// Sets the master side of the program's terminal.
    pub(crate) fn set_terminal(&mut self, terminal: OwnedFd) {
        self.terminal = Some(terminal);
    }

    pub(super) fn add_created(&mut self, created: Vec<CreatedMountPoint>) {
        self.created.extend(created);
    }

    pub(super) fn set_scratch(&mut self, folder: OwnedFd) {
        self.scratch = Some(folder);
    }

    /// The folder with its changes, if they are in memory; returned once. Whoever waits for the program has to merge
    /// them into the folder that was requested.
    pub fn take_scratch(&mut self) -> Option<OwnedFd> {
        self.scratch.take()
    }

    pub(super) fn do_without(&mut self, what: Vec<Without>) {
        self.without.extend(what);
    }

    /// What it has to do without because of rbuild's own environment.
    pub fn without(&self) -> &[Without] {
        &self.without
    }

    /// The mount points that were created in the root filesystem, in order.
    pub fn created_mount_points(&self) -> &[CreatedMountPoint] {
        &self.created
    }

    /// The PID on the host of the program, or of its init.
    pub fn pid(&self) -> i32 {
        self.handle.pid
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The master side of the program's terminal, if it has one; returned once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// The folders of its cgroups, if any.
    pub fn cgroups(&self) -> Vec<String> {
        self.cgroup.as_ref().map(Cgroup::names).unwrap_or_default()
    }

    /// Freezes or thaws all processes of the container.
    pub fn freeze(&mut self, frozen: bool) -> Result<(), SandboxError> {
        self.need_cgroup(&Limits::default())?.freeze(frozen)
    }

    /// Changes the container's limits; `None` leaves a limit unchanged.
    pub fn set_limits(&mut self, limits: &Limits) -> Result<(), SandboxError> {
        if limits.is_empty() {
            return Ok(());
        }
        let pid = self.handle.pid;
        let cgroup = self.need_cgroup(limits)?;
        cgroup.extend(limits, pid)?;
        cgroup.set(limits)
    }

    /// The container's cgroup; if there is none, creates one with all controllers and moves all processes into it.
    fn need_cgroup(&mut self, limits: &Limits) -> Result<&mut Cgroup, SandboxError> {
        let cgroup = self.cgroup.get_or_insert_default();
        if !cgroup.has_all() {
            cgroup.complete(limits.parent.as_deref())?;
            cgroup.adopt(self.handle.pid)?;
        }
        Ok(cgroup)
    }

    /// Lets the process continue without being waited for.
    pub fn detach(mut self) {
        self.waited = true;
    }

    /// Becomes readable when the program has ended.
    pub fn as_pollable(&self) -> BorrowedFd<'_> {
        self.handle.pidfd.as_fd()
    }

    /// Measures resources from now on. `has_network`: its network's traffic is its own, or its store's containers'.
    pub fn watch(&mut self, has_network: bool) {
        self.watch = Some(Box::new(Watch::begin(self.handle.pid, has_network)));
    }

    /// Waits until the program, and with it every process of the container, has ended.
    pub fn wait(mut self) -> Result<Outcome, SandboxError> {
        let (status, counted) = self.reap()?;
        let cgroup = self.cgroup.as_ref();
        let was_killed = self.watch.as_ref().is_some_and(|watch| watch.was_out_of_memory(status));
        let out_of_memory = was_killed || cgroup.is_some_and(Cgroup::was_out_of_memory);
        let resources = self.watch.as_ref().map(|watch| watch.end(&counted, cgroup));
        Ok(Outcome { status, out_of_memory, resources })
    }

    /// Like `wait`, but gives up after `timeout`; the container keeps running then.
    pub fn wait_timeout(self, timeout: Duration) -> Result<Result<Outcome, Self>, SandboxError> {
        let timeout =
            rustix::time::Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        let mut events = [rustix::event::PollFd::new(&*self.handle.pidfd, rustix::event::PollFlags::IN)];
        match rustix::event::poll(&mut events, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(Err(self)),
            _ => self.wait().map(Ok),
        }
    }

    pub fn signal(&self, signal: i32) -> io::Result<()> {
        self.handle.signal(signal)
    }

    pub fn kill(&self) -> io::Result<()> {
        self.handle.kill()
    }

    fn reap(&mut self) -> Result<(ExitStatus, libc::rusage), SandboxError> {
        let ended = watch::wait(self.handle.pidfd.as_fd())?;
        self.waited = true;
        Ok(ended)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.waited {
            // Both fail only if it is gone already.
            let _ = self.kill();
            let _ = self.reap();
        }
    }
}

impl Handle {
    fn new(pid: i32) -> Result<Self, SandboxError> {
        let failed = |errno: Errno| SandboxError::Start { action: "watch the container", source: errno.into() };
        let process = rustix::process::Pid::from_raw(pid).ok_or(SandboxError::InitDied)?;
        let pidfd = rustix::process::pidfd_open(process, PidfdFlags::empty()).map_err(failed)?;
        Ok(Self { pid, pidfd: Arc::new(pidfd), end: Signal::KILL })
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal to the container's first process. It ignores signals without a handler, except KILL. Without
    /// namespaces, that process forwards signals to the program, and must not be stopped itself.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(number).ok_or(io::ErrorKind::InvalidInput)?;
        if self.end != Signal::KILL && signal == Signal::STOP {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "there are no namespaces to enter"));
        }
        Ok(rustix::process::pidfd_send_signal(&*self.pidfd, signal)?)
    }

    /// Kills every process of the container.
    pub fn kill(&self) -> io::Result<()> {
        Ok(rustix::process::pidfd_send_signal(&*self.pidfd, self.end)?)
    }

    /// Becomes readable when the container has ended.
    pub fn as_pollable(&self) -> &OwnedFd {
        &self.pidfd
    }
}

/// Makes this process the parent of orphaned descendants (prctl(2), `PR_SET_CHILD_SUBREAPER`).
pub fn take_in_orphans() -> Result<(), SandboxError> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|errno| SandboxError::Start { action: "take in orphans", source: errno.into() })
}
