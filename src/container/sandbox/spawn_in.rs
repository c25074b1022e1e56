//! Starts another program in a running container.

use std::os::fd::AsRawFd as _;

use rustix::process::{Pid, PidfdFlags};

use super::capability::CapabilitySet;
use super::cgroup::Cgroup;
use super::channel::{Channel, Entrance, Order};
use super::container::{Process, Stdio};
use super::error::{SandboxError, start_error};
use super::isolation::{self, Namespace};
use super::null_device::null_device_in;
use super::remapped;
use super::running::Running;
use super::seccomp::Seccomp;
use super::spawn::{Joined, Until, follow, start_init};

/// The container in which to start a program, and what it may do there.
#[derive(Debug, Clone)]
pub struct Inside<'a> {
    /// The PID on the host of a process of the container.
    pub pid: i32,
    /// The folders of the container's cgroups.
    pub cgroups: &'a [String],
    pub capabilities: CapabilitySet,
    pub no_new_privileges: bool,
    pub seccomp: &'a Seccomp,
    pub apparmor: Option<String>,
    /// Whether it reaches the host's abstract sockets if the container is on the host's network.
    pub reaches_sockets: bool,
}

/// Starts a program in a container, as a child of this process. It ends when the container does.
pub fn spawn_in(inside: &Inside<'_>, process: &Process, stdio: Stdio) -> Result<Running, SandboxError> {
    let gone = || SandboxError::Start { action: "find the container", source: std::io::ErrorKind::NotFound.into() };
    let pid = Pid::from_raw(inside.pid).ok_or_else(gone)?;
    let container = rustix::process::pidfd_open(pid, PidfdFlags::empty());
    let container = container.map_err(|errno| start_error("find the container")(errno.into()))?;
    let users = remapped::users_of(inside.pid).map_err(start_error("find the container's users"))?;
    let order = Order::Enter(Box::new(Entrance {
        pid: inside.pid,
        process: process.clone(),
        capabilities: inside.capabilities,
        no_new_privileges: inside.no_new_privileges,
        seccomp: inside.seccomp.program(inside.capabilities),
        apparmor: inside.apparmor.clone(),
        ids: users.as_ref().map(|(_, ids)| ids.clone()),
        scopes_sockets: !inside.reaches_sockets && shares(inside.pid, "net").unwrap_or(true) && !traces_host(inside),
    }));
    let (mut channel, theirs) = Channel::pair().map_err(start_error("make a channel"))?;
    let joined = Joined {
        network: Some(container.as_raw_fd()),
        users: users.as_ref().map(|(namespace, _)| namespace.as_raw_fd()),
    };
    let pid = start_init(0, joined, &stdio, &theirs, || null_device_in(inside.pid))?;
    drop((theirs, stdio));
    let mut running = Running::new(pid, None)?;
    Cgroup::of_container(inside.cgroups).add(pid)?;
    let sent = channel.send(&order);
    follow(&mut running, &mut channel, Until::Executed)?;
    sent.map_err(start_error("reach the process in the container"))?;
    Ok(running)
}

/// Whether a namespace of the process is this one's; `None` if it can't be read.
fn shares(pid: i32, kind: &str) -> Option<bool> {
    let identity = |of: &str| rustix::fs::stat(format!("/proc/{of}/ns/{kind}")).map(|stat| (stat.st_dev, stat.st_ino));
    Some(identity(&pid.to_string()).ok()? == identity("self").ok()?)
}

fn traces_host(inside: &Inside<'_>) -> bool {
    let processes = if shares(inside.pid, "pid") == Some(true) { Namespace::Host } else { Namespace::Own };
    isolation::traces_host(processes, inside.capabilities)
}
