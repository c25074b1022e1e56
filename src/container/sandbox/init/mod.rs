//! The container's init: what happens in the new namespaces before the program is executed.
//!
//! It is process 1 of the container and single-threaded. It receives the container as a message, sets up the root
//! filesystem, moves into it, drops the rights that the program must not have, and becomes the program.

mod chroot;
mod dev_folder;
mod devices;
mod directory;
mod doing;
#[cfg(target_arch = "x86_64")]
mod emulated;
mod enter;
mod fallback;
mod ground;
mod kernel_files;
mod limits;
mod mask;
mod own;
#[cfg(target_arch = "x86_64")]
mod passing;
mod processes;
mod program;
mod reaper;
mod root;
mod standard;
mod target;
mod terminal;
mod users;
mod volumes;
mod why_not;

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::channel::{CHANNEL_FD, Channel, CreatedMountPoint, Launch, NETWORK_FD, NetworkAction, Order, Report};
use super::isolation::Namespace;
use super::without::Without;
use super::{CapabilitySet, loopback, lsm, sysctl};
use crate::base::identity::Identity;

use doing::{Doing, Result};
pub(super) use kernel_files::KernelFiles;
pub use mask::{READ_ONLY, masked_paths};
use processes::{Begun, Joining, Shared};
pub(super) use root::{clone_within, mount_stack, open_stack};
pub(super) use target::{MountPoints, PointKind};
use users::Users;

/// Becomes a container's init if this process was started as one, and then never returns. Must be called first: before
/// there is another thread, and before any work that an init does not need.
pub fn init_if_requested() {
    match Identity::of_this_process() {
        Some(Identity::Init) => {
            run();
            std::process::exit(1);
        }
        Some(Identity::SmallInit) => {
            std::process::exit(reaper::serve_program(std::env::args_os().skip(1)).into());
        }
        _ => {}
    }
}

/// Returns only if the program could not be executed.
fn run() {
    own::keep_to_itself();
    // SAFETY: `spawn` puts the channel at this number, and nothing else in this process owns it. A process that was
    // started under the init's name without a channel fails at the first read.
    let mut channel = Channel::from_fd(unsafe { OwnedFd::from_raw_fd(CHANNEL_FD) });
    let done = match channel.receive() {
        Ok(Some(Order::Start(launch))) => {
            die_with_parent();
            if channel.is_abandoned() {
                return;
            }
            start(*launch, &mut channel)
        }
        Ok(Some(Order::StartInChroot(launch))) => chroot::start(*launch, &mut channel),
        #[cfg(target_arch = "x86_64")]
        Ok(Some(Order::StartEmulated(launch))) => emulated::start(*launch, &mut channel),
        Ok(Some(Order::Enter(entrance))) => enter::enter(*entrance, &mut channel),
        _ => return,
    };
    if let Err(error) = done {
        // If the peer is gone, the error can't be reported.
        let _ = channel.send(&Report::Failed(error));
    }
}

/// Makes the kernel kill this process when the thread that started it ends.
fn die_with_parent() {
    // Fails only for an invalid signal.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

fn start(launch: Launch, channel: &mut Channel) -> Result<()> {
    own::close_unused(launch.network == NetworkAction::Join, launch.ids.is_some());
    let Begun::GoOn(shared) = processes::begin(&launch, channel)? else { return Ok(()) };
    if channel.is_abandoned() {
        return Ok(());
    }
    let usual_files = raise_file_limit();
    rustix::process::umask(rustix::fs::Mode::empty());
    enter_namespaces(&launch)?;
    let Launch { container, seccomp, hold, scopes_sockets, .. } = &launch;
    let users = Users::begin(launch.ids.clone())?.map(Rc::new);
    let Some(made) = make_files(&launch, shared, users.clone(), channel)? else { return Ok(()) };
    let Made { created, terminal, confinement, joining } = made;
    // From here on, nothing of the host is open except the standard streams and the user namespace.
    if let Some(terminal) = &terminal {
        channel.send_terminal(&terminal.master).doing("hand out", "the terminal")?;
    }
    if *hold {
        if let Some(users) = &users {
            users.enter(true)?;
        }
        own::let_others_look();
        channel.send(&Report::Ready { created }).doing("report to", "rbuild")?;
        // Waits until rbuild closes its end.
        let _ = channel.receive::<Report>();
        return Ok(());
    }
    let isolation = &container.isolation;
    let rights = program::Rights {
        capabilities: if isolation.privileged { CapabilitySet::ALL } else { isolation.capabilities },
        no_new_privileges: isolation.no_new_privileges,
        seccomp: seccomp.clone(),
        scopes_sockets: *scopes_sockets,
        small_init: confinement,
        users,
        dies_with_parent: true,
        joining,
    };
    let program = program::Program::new(&container.process, rights, usual_files)?;
    program.enter_directory()?;
    program.execute(channel, created, terminal)
}

/// What remains after setting up the files.
struct Made {
    /// Since the report that everything is mounted.
    created: Vec<CreatedMountPoint>,
    terminal: Option<terminal::Terminal>,
    /// Of the small init, if there is one.
    confinement: Option<lsm::Later>,
    joining: Joining,
}

/// Sets up the container's files, and moves into them. `None` if rbuild has given up.
fn make_files(
    launch: &Launch,
    shared: Shared,
    users: Option<Rc<Users>>,
    channel: &mut Channel,
) -> Result<Option<Made>> {
    let Launch { container, .. } = launch;
    let Shared { joining, proc, own } = shared;
    let (process, isolation) = (&container.process, &container.isolation);
    let sources = volumes::open(&container.mounts, users.as_deref())?;
    let mut root = root::Root::mount(&container.rootfs, users)?;
    if let Some(scratch) = root.scratch.take() {
        channel.send_scratch(&scratch).doing("hand out", "the folder of changes")?;
    }
    let mut points = MountPoints::new(&root.mount)?.kept_in(root.upper.as_ref());
    let mut standard = standard::mount(&root, &mut points, launch, proc)?;
    volumes::attach(sources, &container.mounts, (&root, &mut standard), &mut points, isolation)?;
    standard.dev.add_asked_for(&root, &mut points, isolation)?;
    let created = std::mem::take(&mut points.created);
    channel.send(&Report::Mounted { created, without: fallback::noted() }).doing("report to", "rbuild")?;
    if !matches!(channel.receive(), Ok(Some(Order::GoOn))) {
        return Ok(None);
    }
    for (name, value) in &isolation.sysctls {
        standard.proc.write(sysctl::path(name), value).doing("set", name)?;
    }
    for (name, value) in isolation.usual_sysctls.iter().filter(|(name, _)| !isolation.sysctls.contains_key(*name)) {
        match standard.proc.write(sysctl::path(name), value) {
            // rbuild's surroundings have them read-only, or have something mounted over them.
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM | Errno::XDEV) => {}
            written => written.doing("set", name)?,
        }
    }
    if process.create_directory && !launch.hold {
        // Unlike a mount point, it stays.
        MountPoints::make_directory(&root.mount, &process.directory)?;
    }
    let terminal = match process.terminal {
        true => Some(terminal::open(&standard.dev, &users::on_host(root.users.as_deref(), &process.user)?)?),
        false => None,
    };
    mask::apply(&root, &standard, isolation)?;
    let own = own.as_ref().unwrap_or(&standard.proc);
    if let Some(adjustment) = process.oom_score_adjust {
        own.write_own(&["oom_score_adj"], &adjustment.to_string()).doing("write", "oom_score_adj")?;
    }
    let mut confinement = None;
    if let Some(profile) = &isolation.apparmor {
        lsm::confine(own, profile)?;
        confinement = process.init.then(|| lsm::Later::new(&standard.proc, profile)).transpose()?;
    }
    let created = points.created;
    root.enter(isolation.read_only_root, fallback::may_unmount(container))?;
    channel.send(&Report::Without(fallback::noted())).doing("report to", "rbuild")?;
    Ok(Some(Made { created, terminal, confinement, joining }))
}

/// All layers are open at once, and the default of 1,024 descriptors may be too few. Returns the former limit.
fn raise_file_limit() -> Rlimit {
    let usual = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: usual.maximum, maximum: usual.maximum };
    // With the default limit, most containers work too.
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
    usual
}

fn enter_namespaces(launch: &Launch) -> Result<()> {
    match launch.network {
        NetworkAction::Keep => {}
        NetworkAction::Fresh => fallback::if_permitted(loopback::switch_on(), Without::Loopback)
            .doing("switch on", "the loopback interface")?,
        NetworkAction::Join => {
            // SAFETY: `spawn` puts the namespace at this number exactly if it requests to join one.
            let namespace = unsafe { OwnedFd::from_raw_fd(NETWORK_FD) };
            let kind = Some(LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind)
                .doing("join", "the network namespace")?;
        }
    }
    let isolation = &launch.container.isolation;
    let namespaces = &isolation.namespaces;
    if namespaces.cgroup == Namespace::Own {
        // Only now: rbuild has put this process into its cgroup, which becomes the root that the container sees.
        // SAFETY: of the flags that unshare_unsafe warns about (for descriptors and threads), none is used.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP) }.doing("make", "the cgroup namespace")?;
    }
    if let Namespace::OfProcess(pid) = namespaces.ipc {
        join(&format!("/proc/{pid}/ns/ipc"), LinkNameSpaceType::InterProcessCommunication)?;
    }
    if let Namespace::OfProcess(pid) = namespaces.uts {
        join(&format!("/proc/{pid}/ns/uts"), LinkNameSpaceType::HostNameAndNISDomainName)?;
    }
    if namespaces.uts != Namespace::Own {
        return join_new_keyring();
    }
    if let Some(name) = &isolation.hostname {
        let named = rustix::system::sethostname(name.as_bytes());
        fallback::if_permitted(named, Without::HostName).doing("set the host name to", name)?;
    }
    if let Some(name) = &isolation.domainname {
        let named = rustix::system::setdomainname(name.as_bytes());
        fallback::if_permitted(named, Without::HostName).doing("set the domain name to", name)?;
    }
    join_new_keyring()
}

/// Joins a namespace of another container; the host's `/proc` is still there.
fn join(path: &str, kind: LinkNameSpaceType) -> Result<()> {
    let namespace = open_namespace(path)?;
    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(kind)).doing("join", path)
}

fn open_namespace(path: &str) -> Result<OwnedFd> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).doing("open", path)
}

/// Leaves the host's session keyring (keyctl(2)). Does nothing on a kernel without keyrings.
fn join_new_keyring() -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: with a null name the call reads no memory.
    let result =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
    match super::mount_api::last_errno() {
        _ if result >= 0 => Ok(()),
        Errno::NOSYS => Ok(()),
        // A surrounding container runtime forbids it; then its keyring stays visible.
        Errno::PERM => Ok(()),
        errno => Err(errno).doing("make", "a session keyring"),
    }
}
