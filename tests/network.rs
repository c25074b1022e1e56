//! The default network, from inside of a namespace.

mod support;

use std::process::Command;

use rbuild::container::network::{NameServers, NetworkNamespace};
use support::skip;

#[test]
fn two_namespaces_have_addresses_and_a_way_out() {
    if !rustix::process::geteuid().is_root() {
        return skip("needs root");
    }
    let state = tempfile::tempdir().unwrap();
    let first = NetworkNamespace::create(state.path(), false, None).unwrap();
    let second = NetworkNamespace::create(state.path(), false, None).unwrap();
    assert_ne!(first.address(), second.address());
    let inside = |namespace: &NetworkNamespace, arguments: &[&str]| {
        use std::os::fd::AsRawFd as _;
        let path = format!("--net=/proc/{}/fd/{}", std::process::id(), namespace.descriptor().as_raw_fd());
        let output = Command::new("nsenter").arg(path).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let addresses = inside(&first, &["ip", "-4", "addr", "show", "eth0"]);
    assert!(addresses.contains(&first.address().unwrap().to_string()), "{addresses}");
    let gateway = first.host_gateway().unwrap().to_string();
    assert!(inside(&first, &["ip", "route"]).contains(&format!("default via {gateway}")));
    let listener = std::net::TcpListener::bind((gateway.as_str(), 0)).unwrap();
    let script = format!("exec 3<>/dev/tcp/{gateway}/{} && echo reached", listener.local_addr().unwrap().port());
    assert_eq!(inside(&second, &["bash", "-c", &script]), "reached\n");
    assert!(NameServers::default().file(false).unwrap().contains("nameserver "));
}
