//! Starts a program with a folder as its root, where namespaces are not available.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags};
use rustix::time::Timespec;

use super::capability::CapabilitySet;
use super::cgroup::Cgroup;
use super::channel::{Channel, ChrootLaunch, Order};
use super::container::{Container, Stdio};
use super::error::{SandboxError, start_error};
use super::landlock::can_scope_sockets;
use super::level::Level;
use super::null_device::null_device;
use super::running::Running;
use super::seccomp::narrowing;
use super::spawn::{Joined, Until, follow, start_init};
use super::surroundings::own_capabilities;

/// Capabilities by which a process can leave its root, or create the host's devices.
const LEADING_OUT: [&str; 7] =
    ["SYS_CHROOT", "MKNOD", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_RAWIO", "DAC_READ_SEARCH"];

/// A program that runs already.
#[derive(Debug)]
pub struct Host<'a> {
    /// The PID of its first process.
    pub pid: i32,
    /// The folders of its cgroups.
    pub cgroups: &'a [String],
    /// A file with a shared lock. It is released when the last of its guests has ended.
    pub lock: &'a File,
}

/// The most that a program without namespaces can have: rbuild's own capabilities that don't lead out of its root.
pub fn capabilities_in_chroot() -> CapabilitySet {
    LEADING_OUT.iter().fold(own_capabilities(), |kept, name| kept.without(name))
}

/// Starts a container's program in a root folder that contains everything that it needs: nothing is mounted. Of the
/// isolation, only capabilities, filter and limits apply. Its remaining processes are killed when it ends.
/// One that is emulated gets no rights at all, because this process has none.
pub fn spawn_in_folder(
    container: &Container,
    level: Level,
    has_network: bool,
    stdio: Stdio,
) -> Result<Running, SandboxError> {
    let isolation = &container.isolation;
    let cgroup = if isolation.limits.is_empty() { None } else { Cgroup::create(isolation)? };
    start(container, (level, has_network), stdio, cgroup, None)
}

/// The same for another program in the root of a running one, with which it ends.
pub fn spawn_beside(
    host: &Host<'_>,
    container: &Container,
    (level, has_network): (Level, bool),
    stdio: Stdio,
) -> Result<Running, SandboxError> {
    start(container, (level, has_network), stdio, None, Some(host))
}

fn start(
    container: &Container,
    (level, has_network): (Level, bool),
    stdio: Stdio,
    cgroup: Option<Cgroup>,
    host: Option<&Host<'_>>,
) -> Result<Running, SandboxError> {
    let wanted = container.isolation.capabilities;
    // Those of an emulated program are in name only.
    let capabilities = if level == Level::Emulated { wanted } else { wanted.common(capabilities_in_chroot()) };
    let launch = Box::new(launch(container, capabilities, (has_network, host.is_some())));
    let order = if level == Level::Emulated { Order::StartEmulated(launch) } else { Order::StartInChroot(launch) };
    let process = host.map(|host| process_of(host.pid)).transpose()?;
    let joined = Joined {
        network: process.as_ref().map(|process| process.as_raw_fd()),
        users: host.map(|host| host.lock.as_raw_fd()),
    };
    let cgroups = host.map_or(&[][..], |host| host.cgroups);
    follow_init(&order, joined, stdio, (cgroup, cgroups))
}

fn launch(container: &Container, capabilities: CapabilitySet, (has_network, is_guest): (bool, bool)) -> ChrootLaunch {
    ChrootLaunch {
        container: container.clone(),
        capabilities,
        seccomp: container.isolation.seccomp.program(capabilities),
        narrowing: narrowing(!has_network, !can_scope_sockets()),
        is_guest,
    }
}

/// Starts the init, and waits until the program is executed.
fn follow_init(
    order: &Order,
    joined: Joined,
    stdio: Stdio,
    (cgroup, others): (Option<Cgroup>, &[String]),
) -> Result<Running, SandboxError> {
    let (mut channel, theirs) = Channel::pair().map_err(start_error("make a channel"))?;
    let init = start_init(0, joined, &stdio, &theirs, null_device)?;
    drop((theirs, stdio));
    let mut running = Running::new(init, cgroup)?.ended_by_itself();
    running.enter_cgroup()?;
    if !others.is_empty() {
        Cgroup::of_container(others).add(init)?;
    }
    // As elsewhere: writing fails if the init is dead already; its report says more.
    let _ = channel.send(order);
    follow(&mut running, &mut channel, Until::Executed)?;
    Ok(running)
}

/// A pidfd of a process that has not ended.
fn process_of(pid: i32) -> Result<std::os::fd::OwnedFd, SandboxError> {
    let gone = || SandboxError::Start { action: "find the container", source: std::io::ErrorKind::NotFound.into() };
    let process = rustix::process::pidfd_open(Pid::from_raw(pid).ok_or_else(gone)?, PidfdFlags::empty());
    let process = process.map_err(|errno| start_error("find the container")(errno.into()))?;
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    match poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(0) => Ok(process),
        _ => Err(gone()),
    }
}
