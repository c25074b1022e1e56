//! A network namespace that is new: nothing is in it but its loopback interface.

use std::os::fd::OwnedFd;

use super::error::{Doing, NetworkError};
use super::link;
use super::netlink::Socket;
use crate::container::sandbox;

/// It may be made before anybody knows for which container.
#[derive(Debug)]
pub struct FreshNamespace {
    pub(super) descriptor: OwnedFd,
    /// A socket in it.
    pub(super) socket: Socket,
}

impl FreshNamespace {
    /// Its loopback interface is on.
    pub fn make() -> Result<Self, NetworkError> {
        let (descriptor, socket) = sandbox::new_network_namespace(open).doing("make a network namespace")?;
        Ok(Self { descriptor, socket: socket? })
    }

    /// Why this process may make none, whoever it is; nothing where it may.
    pub fn forbidden() -> Option<NetworkError> {
        Self::make().err().filter(NetworkError::is_forbidden)
    }

    /// That of a namespace which somebody else made: nothing is in it either.
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
