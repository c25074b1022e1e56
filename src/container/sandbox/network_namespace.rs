//! Network namespaces that exist independently of the containers in them.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// Creates a network namespace, and runs `work` (such as opening sockets) on a thread in it. The namespace lives as
/// long as its descriptor, or anything in it.
pub fn new_network_namespace<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<(OwnedFd, T)> {
    let make = || {
        // SAFETY: this only changes this thread's network namespace, and the thread ends here; descriptors stay shared.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let namespace = rustix::fs::open("/proc/thread-self/ns/net", flags, Mode::empty())?;
        Ok((namespace, work()))
    };
    std::thread::scope(|scope| {
        let result = scope.spawn(make).join();
        result.unwrap_or_else(|_| Err(io::Error::other("the thread in the network namespace panicked")))
    })
}

/// Runs `work` on a thread in another network namespace; sockets that it opens stay there.
pub fn in_network_namespace<T: Send>(namespace: &OwnedFd, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let enter = || {
        move_into_network_namespace(namespace)?;
        Ok(work())
    };
    std::thread::scope(|scope| {
        let result = scope.spawn(enter).join();
        result.unwrap_or_else(|_| Err(io::Error::other("the thread in the network namespace panicked")))
    })
}

/// Moves this thread to another network namespace.
pub fn move_into_network_namespace(namespace: &OwnedFd) -> io::Result<()> {
    Ok(rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}
