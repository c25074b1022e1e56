//! A user namespace for a container of root's (`--userns=remap`): the container's root is another user on the host,
//! without rights there.
//!
//! It owns only the container's network and mounts. The other namespaces belong to the host's user namespace, which
//! gives the container less, not more. Owners in the store stay as they are: layers and the container's changes are
//! seen through ID-mapped mounts (mount_setattr(2), `MOUNT_ATTR_IDMAP`).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::error::{SandboxError, start_error};
use super::ids::{IdRanges, UsersMode};
use super::network_namespace::in_network_namespace;
use super::{loopback, mount_api, user_namespace};

/// The user namespace of a container. It lives as long as this, or a process in it.
#[derive(Debug)]
pub struct RemappedUsers {
    pub(super) namespace: OwnedFd,
    /// A network namespace that this user namespace owns. It has only a loopback interface, which is up.
    pub(super) network: OwnedFd,
    pub(super) ids: IdRanges,
}

impl RemappedUsers {
    /// Creates a namespace with these IDs.
    pub fn make(ids: IdRanges) -> Result<Self, SandboxError> {
        let failed = start_error("make a user namespace");
        let make = || -> io::Result<Self> {
            let holder = Holder::start(libc::CLONE_NEWUSER, -1)?;
            let (users, groups) = ids.maps();
            std::fs::write(format!("/proc/{}/uid_map", holder.pid), users)?;
            std::fs::write(format!("/proc/{}/gid_map", holder.pid), groups)?;
            let namespace = open_namespace(holder.pid, "user")?;
            Ok(Self { namespace, network: holder.network()?, ids })
        };
        make().map_err(failed)
    }

    /// The user namespace of a running container; `None` if it is this process's own.
    pub fn of_process(pid: i32) -> Result<Option<Self>, SandboxError> {
        let failed = start_error("find the container's users");
        let find = || -> io::Result<Option<Self>> {
            let Some((namespace, ids)) = users_of(pid)? else { return Ok(None) };
            let network = Holder::start(0, namespace.as_raw_fd())?.network()?;
            Ok(Some(Self { namespace, network, ids }))
        };
        find().map_err(failed)
    }

    /// A duplicate of its network namespace's descriptor.
    pub fn network(&self) -> io::Result<OwnedFd> {
        self.network.try_clone()
    }

    pub fn ids(&self) -> &IdRanges {
        &self.ids
    }

    /// Whether both are the same namespace.
    pub fn is(&self, other: &Self) -> bool {
        let identity = |one: &Self| rustix::fs::fstat(&one.namespace).map(|stat| (stat.st_dev, stat.st_ino));
        identity(self).is_ok_and(|own| identity(other) == Ok(own))
    }
}

/// The IDs that `--userns=remap` would use for containers with files in that folder, or why it can't be used.
pub fn can_remap(folder: &Path) -> Result<IdRanges, String> {
    let ids = UsersMode::Remap(None).ranges().map_err(|unsupported| unsupported.what)?.ok_or_else(String::new)?;
    let users = RemappedUsers::make(ids).map_err(|error| error.to_string())?;
    let translate = || -> rustix::io::Result<()> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let handle = rustix::fs::open(folder, flags, Mode::empty())?;
        let tree = mount_api::clone_tree(&handle, c"", false)?;
        mount_api::translate_owners(&tree, users.namespace.as_fd(), false)
    };
    translate().map_err(|errno| {
        let reason = io::Error::from(errno);
        format!("mounts can't translate the owners of `{}`: {reason}", folder.display())
    })?;
    Ok(users.ids)
}

/// The user namespace of a container's process, and its IDs here; `None` if it is this process's own.
pub(super) fn users_of(pid: i32) -> io::Result<Option<(OwnedFd, IdRanges)>> {
    // An ordinary user's containers share the namespace that rbuild itself has entered.
    if user_namespace::entered().is_some() {
        return Ok(None);
    }
    let identity = |path: String| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    if identity(format!("/proc/{pid}/ns/user"))? == identity("/proc/self/ns/user".to_owned())? {
        return Ok(None);
    }
    let read = |kind: &str| std::fs::read_to_string(format!("/proc/{pid}/{kind}_map"));
    let ids = IdRanges::of_maps(&read("uid")?, &read("gid")?);
    let ids = ids.ok_or_else(|| io::Error::other("its user namespace has a map that rbuild did not make"))?;
    Ok(Some((open_namespace(pid, "user")?, ids)))
}

fn open_namespace(pid: i32, kind: &str) -> io::Result<OwnedFd> {
    File::open(format!("/proc/{pid}/ns/{kind}")).map(OwnedFd::from)
}

/// A process in the user namespace while its namespaces are opened.
struct Holder {
    pid: i32,
    go: File,
    answer: File,
}

impl Holder {
    /// Starts in these new namespaces, or joins a user namespace. Then it waits.
    fn start(flags: i32, joined: RawFd) -> io::Result<Self> {
        let ((child_go, go), (answer, child_answer)) = (io::pipe()?, io::pipe()?);
        let (child_go, child_answer) = (OwnedFd::from(child_go), OwnedFd::from(child_answer));
        let (go, answer) = (File::from(OwnedFd::from(go)), File::from(OwnedFd::from(answer)));
        let (read, write) = (child_go.as_raw_fd(), child_answer.as_raw_fd());
        let parents = [go.as_raw_fd(), answer.as_raw_fd()];
        // SAFETY: without a stack and CLONE_VM this is a fork. The child makes system calls only (signal-safety(7)), on
        // numbers that were prepared before, and never returns: this process may have several threads.
        let pid = unsafe {
            let pid = libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0);
            if pid == 0 {
                libc::close(parents[0]);
                libc::close(parents[1]);
                hold(read, write, joined);
            }
            pid
        };
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { pid: pid as i32, go, answer })
    }

    /// Lets it create a network namespace, and returns that.
    fn network(mut self) -> io::Result<OwnedFd> {
        self.go.write_all(&[0])?;
        let mut errno = [0; 4];
        self.answer.read_exact(&mut errno)?;
        match i32::from_ne_bytes(errno) {
            0 => {}
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
        let network = open_namespace(self.pid, "net")?;
        in_network_namespace(&network, loopback::switch_on)??;
        Ok(network)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // SAFETY: kill and waitpid on the PID of a child that only this knows, and that was not waited for.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

/// The child's code: waits, creates a network namespace in its user namespace, reports that, and waits to be killed.
///
/// # Safety
/// Only in a child that was just forked.
unsafe fn hold(go: RawFd, answer: RawFd, joined: RawFd) -> ! {
    // SAFETY: plain system calls on numbers and on variables of this function's own.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0);
        let mut byte = 0u8;
        if libc::read(go, (&raw mut byte).cast(), 1) == 1 {
            let entered = joined < 0 || libc::setns(joined, libc::CLONE_NEWUSER) == 0;
            let made = entered && libc::unshare(libc::CLONE_NEWNET) == 0;
            let errno = if made { 0 } else { *libc::__errno_location() };
            libc::write(answer, (&raw const errno).cast(), size_of::<i32>());
            libc::read(go, (&raw mut byte).cast(), 1);
        }
        libc::_exit(0)
    }
}
