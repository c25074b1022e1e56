//! An endpoint in a user-defined network for the steps of a build. They can resolve the names of containers there.

use std::net::IpAddr;
use std::path::Path;

use super::attach::{EndpointRequest, Owner};
use super::endpoint::ProcessOwner;
use super::error::NetworkError;
use super::fresh::FreshNamespace;
use super::live::{Live, Mode, NetworkRequest};
use super::networks::{Networks, random_id};
use super::resolver::NameServers;
use crate::container::sandbox::NetworkIsolation;

/// It ends on drop, or when this process is killed.
#[derive(Debug)]
pub struct Place {
    live: Live,
    _owner: ProcessOwner,
}

impl Place {
    /// A new endpoint. Uses `fresh`, if given.
    pub fn join(
        store_root: &Path,
        rootless: bool,
        network: &str,
        fresh: Option<FreshNamespace>,
    ) -> Result<Self, NetworkError> {
        let networks = Networks::of(store_root, rootless);
        let network = networks.find(network)?.name;
        let mode = match network.as_str() {
            super::HOST => Mode::Host,
            super::NONE => Mode::None,
            _ => Mode::Networks(vec![EndpointRequest { network, ..EndpointRequest::default() }]),
        };
        Self::make(&networks, mode, fresh)
    }

    /// The network of an existing process.
    pub fn of_process(networks: &Networks, pid: i32) -> Result<Self, NetworkError> {
        Self::make(networks, Mode::OfProcess(pid), None)
    }

    fn make(networks: &Networks, mode: Mode, fresh: Option<FreshNamespace>) -> Result<Self, NetworkError> {
        let id = random_id()?;
        let process = ProcessOwner::new(networks.state(), &id)?;
        let name = format!("build-{}", std::process::id());
        let owner = Owner { container: id, name, hostname: String::new(), lock: process.path.clone() };
        let request = NetworkRequest {
            mode,
            ports: Vec::new(),
            name_servers: NameServers::default(),
            added_hosts: Vec::new(),
            linked_hosts: Vec::new(),
            domainname: String::new(),
        };
        let mut live = Live::begin(networks, &owner, &request, fresh)?;
        live.connect()?;
        Ok(Self { live, _owner: process })
    }

    pub fn isolation(&self) -> NetworkIsolation {
        self.live.isolation()
    }

    /// A warning for the user if the network is not what was requested.
    pub fn warning(&self) -> Option<String> {
        self.live.warning().map(str::to_owned)
    }

    /// The value of `host-gateway`: an address at which the host answers.
    pub fn host_gateway(&self) -> Option<IpAddr> {
        Some(self.live.joined().next()?.pools().ok()?.first()?.gateway)
    }

    /// Tells programs which name server to ask.
    pub fn resolv_conf(&self) -> Result<String, NetworkError> {
        self.live.resolv_conf()
    }
}
