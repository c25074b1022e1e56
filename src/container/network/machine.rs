//! Where the bridges are, with their rules and the outer ends of the containers' interfaces. For root, this is the
//! host's own network. An ordinary user may not change that: the containers of one store share a network namespace, in
//! which everything is set up as root does it on the host, and pasta is its uplink.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::error::{Doing, NetworkError};
use super::fresh::FreshNamespace;
use super::link;
use super::netlink::Socket;
use super::pasta::{self, WayOut};
use crate::container::sandbox::{self, SharedNamespaces};

const LOOK: &str = "look for the network of the store's containers";

#[derive(Debug, Clone)]
pub(super) enum Machine {
    Host,
    Own(SharedNamespaces),
}

impl Machine {
    /// For a store's containers. `rootless`: this process is only root of a user namespace.
    pub(super) fn of(store_root: &Path, rootless: bool) -> Self {
        if rootless { Self::Own(SharedNamespaces::of(store_root)) } else { Self::Host }
    }

    pub(super) fn is_host(&self) -> bool {
        matches!(self, Self::Host)
    }

    /// The MTU of the uplink, if it is known before the uplink exists.
    pub(super) fn mtu(&self) -> Option<u32> {
        (!self.is_host()).then_some(pasta::MTU)
    }

    /// Keeps the namespace alive for as long as this process, and starts its uplink. If it did not exist before, calls
    /// `at_first` before anyone else can use it. An error of pasta leaves it without an uplink.
    pub(super) fn open(&self, at_first: impl FnOnce()) -> Result<(), NetworkError> {
        let Self::Own(shared) = self else { return Ok(()) };
        let way_out = WayOut::of(shared.folder());
        let _lock = shared.lock().doing("lock the network of the store's containers")?;
        let namespace = match shared.network().doing(LOOK)? {
            Some(namespace) => namespace,
            None => {
                // Left behind by processes that were all killed.
                way_out.end()?;
                at_first();
                Arc::new(FreshNamespace::make()?.descriptor)
            }
        };
        shared.keep_network(Arc::clone(&namespace)).doing("keep the network of the store's containers")?;
        way_out.begin(&namespace)
    }

    /// Waits until pasta, which was started, is ready.
    pub(super) fn await_way_out(&self) -> Result<(), NetworkError> {
        let Self::Own(shared) = self else { return Ok(()) };
        let way_out = WayOut::of(shared.folder());
        self.within(|| way_out.wait(&Socket::open(None).doing("open a netlink socket")?))
    }

    pub(super) fn has_way_out(&self) -> bool {
        match self {
            Self::Host => true,
            Self::Own(shared) => WayOut::of(shared.folder()).is_running(),
        }
    }

    /// For processes that no longer need it: the last one also ends pasta.
    pub(super) fn leave(&self) -> Result<(), NetworkError> {
        let Self::Own(shared) = self else { return Ok(()) };
        if !shared.keeps_network() {
            return Ok(());
        }
        // If it was deleted with its store, no other process comes any longer.
        let _lock = match shared.lock() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            lock => Some(lock.doing("lock the network of the store's containers")?),
        };
        shared.leave_network().doing("leave the network of the store's containers")?;
        if shared.is_network_kept().doing(LOOK)? { Ok(()) } else { WayOut::of(shared.folder()).end() }
    }

    /// Ends pasta if its last user was killed.
    pub(super) fn tidy(&self) -> Result<(), NetworkError> {
        let Self::Own(shared) = self else { return Ok(()) };
        let way_out = WayOut::of(shared.folder());
        if !way_out.has_traces() || shared.is_network_kept().doing(LOOK)? {
            return Ok(());
        }
        let _lock = shared.lock().doing("lock the network of the store's containers")?;
        if shared.is_network_kept().doing(LOOK)? { Ok(()) } else { way_out.end() }
    }

    /// Runs `work` in it; sockets that it opens stay there.
    pub(super) fn within<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, NetworkError> + Send,
    ) -> Result<T, NetworkError> {
        self.if_there(work)?.ok_or(NetworkError::NotInMachine)
    }

    /// The same, but only if there is one.
    pub(super) fn if_there<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, NetworkError> + Send,
    ) -> Result<Option<T>, NetworkError> {
        match self {
            Self::Host => work().map(Some),
            Self::Own(_) => self.namespace()?.map(|namespace| enter(&namespace, work)).transpose(),
        }
    }

    /// `None` for the host's, which this process is in.
    pub(super) fn namespace(&self) -> Result<Option<Arc<OwnedFd>>, NetworkError> {
        match self {
            Self::Host => Ok(None),
            Self::Own(shared) => shared.network().doing(LOOK),
        }
    }
}

fn enter<T: Send>(
    namespace: &OwnedFd,
    work: impl FnOnce() -> Result<T, NetworkError> + Send,
) -> Result<T, NetworkError> {
    sandbox::in_network_namespace(namespace, work).doing("enter the network of the store's containers")?
}

/// The IPv4 address by which others know this machine: that of the interface with the default route.
pub(super) fn host_address() -> Option<IpAddr> {
    let socket = Socket::open(None).ok()?;
    let (_, index) = link::routes(&socket).ok()?.into_iter().find(|(route, _)| route.length == 0)?;
    let interface = link::by_index(&socket, index).ok()??;
    Some(link::address_of(&socket, interface).ok()??.address)
}
