//! Starts a program whose root is a folder, where namespaces can't be had.

use super::cgroup::Cgroup;
use super::channel::{Channel, ChrootLaunch, Order};
use super::container::{Container, Stdio};
use super::error::{SandboxError, start_error};
use super::landlock::can_scope_sockets;
use super::null_device::null_device;
use super::running::Running;
use super::seccomp::narrowing;
use super::spawn::{Joined, Until, follow, start_init};
use super::surroundings::own_capabilities;

/// Starts the program of a container whose root filesystem is a folder that has all that the program is to find: nothing
/// is mounted. Of the isolation, the capabilities, the filter and the limits count. What it leaves behind is ended with it.
pub fn spawn_in_chroot(container: &Container, has_network: bool, stdio: Stdio) -> Result<Running, SandboxError> {
    let isolation = &container.isolation;
    let capabilities = isolation.capabilities.common(own_capabilities());
    let launch = Order::StartInChroot(Box::new(ChrootLaunch {
        container: container.clone(),
        capabilities,
        seccomp: isolation.seccomp.program(capabilities),
        narrowing: narrowing(!has_network, !can_scope_sockets()),
    }));
    let cgroup = if isolation.limits.is_empty() { None } else { Cgroup::create(isolation)? };
    let (mut channel, theirs) = Channel::pair().map_err(start_error("make a channel"))?;
    let init = start_init(0, Joined { network: None, users: None }, &stdio, &theirs, null_device)?;
    drop(theirs);
    let mut running = Running::new(init, cgroup)?.ended_by_itself();
    running.enter_cgroup()?;
    // As for others: a write fails when the init is dead already; what it reported before says more.
    let _ = channel.send(&launch);
    follow(&mut running, &mut channel, Until::Executed)?;
    Ok(running)
}
