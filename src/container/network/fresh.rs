//! A new network namespace, which contains only its loopback interface.

use std::os::fd::OwnedFd;

use super::error::{Doing, NetworkError};
use super::link;
use super::netlink::Socket;
use crate::container::sandbox;

/// It may be created before its container is known.
#[derive(Debug)]
pub struct FreshNamespace {
    pub(super) descriptor: OwnedFd,
    /// A netlink socket in it.
    pub(super) socket: Socket,
}

impl FreshNamespace {
    /// Creates it, with its loopback interface up.
    pub fn make() -> Result<Self, NetworkError> {
        let (descriptor, socket) = sandbox::new_network_namespace(open).doing("make a network namespace")?;
        Ok(Self { descriptor, socket: socket? })
    }

    /// Why this process may not create one; `None` if it may.
    pub fn forbidden() -> Option<NetworkError> {
        Self::make().err().filter(NetworkError::is_forbidden)
    }

    /// Wraps a new, empty namespace that another process has created.
    pub fn of(descriptor: OwnedFd) -> Result<Self, NetworkError> {
        let socket = sandbox::in_network_namespace(&descriptor, open).doing("enter a network namespace")??;
        Ok(Self { descriptor, socket })
    }
}

fn open() -> Result<Socket, NetworkError> {
    let socket = Socket::open(None).doing("open a netlink socket")?;
    if let Some(loopback) = link::find(&socket, "lo").doing("look for the loopback interface")? {
        link::switch_on(&socket, loopback).doing("switch on the loopback interface")?;
    }
    Ok(socket)
}
