//! Addresses given to containers. Each is a file, locked while the address is in use: the kernel takes the lock away
//! from a holder that dies, so nothing has to be cleaned up.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::error::NetworkError;
use super::link::Subnet;
use crate::io_error::AtPath;

/// An address that is this process's until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    _lock: File,
}

/// Takes the lowest free address of the gateway's subnet.
pub(super) fn lease(state: &Path, gateway: Subnet) -> Result<Lease, NetworkError> {
    let folder = state.join("addresses");
    std::fs::create_dir_all(&folder).at("create", &folder)?;
    let size = 1u32 << (32 - u32::from(gateway.length));
    let network = gateway.address.to_bits() & !(size - 1);
    // Neither the network's own nor the broadcast address.
    for address in (network + 1..network + size - 1).map(Ipv4Addr::from_bits).filter(|one| *one != gateway.address) {
        let path = folder.join(address.to_string());
        let file = open(&path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(Lease { address, _lock: file });
        }
    }
    Err(NetworkError::NoFreeAddress)
}

/// Waits for the lock of that name; it is let go when the file is dropped.
pub(super) fn lock(path: &Path) -> Result<File, NetworkError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).at("create", folder)?;
    }
    let file = open(path)?;
    flock(&file, FlockOperation::LockExclusive).at("lock", path)?;
    Ok(file)
}

fn open(path: &Path) -> Result<File, NetworkError> {
    Ok(File::options().create(true).truncate(false).write(true).open(path).at("open", path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_leased_once() {
        let state = tempfile::tempdir().unwrap();
        let gateway = Subnet { address: Ipv4Addr::new(10, 9, 8, 1), length: 29 };
        let leases: Vec<Lease> = (0..5).map(|_| lease(state.path(), gateway).unwrap()).collect();
        let addresses: Vec<u8> = leases.iter().map(|lease| lease.address.octets()[3]).collect();
        assert_eq!(addresses, [2, 3, 4, 5, 6]);
        assert!(matches!(lease(state.path(), gateway), Err(NetworkError::NoFreeAddress)));
        drop(leases);
        assert_eq!(lease(state.path(), gateway).unwrap().address, Ipv4Addr::new(10, 9, 8, 2));
    }
}
