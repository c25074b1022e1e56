//! Networks and endpoints in docker's words.

use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::record::{BRIDGE, NetworkRecord};
use super::subnet::Subnet;

const USUAL_MTU: u32 = 1500;

/// docker's `NetworkSettings`.
pub(super) fn settings(places: &[(NetworkRecord, Endpoint)], ports: &Value, key: &str) -> Map<String, Value> {
    let bridge = places.iter().find(|(record, _)| record.name == BRIDGE);
    // At the top level, docker shows only the default network.
    let own = bridge.map(|(record, endpoint)| addresses(record, endpoint)).unwrap_or_else(no_addresses);
    let mut settings = Map::new();
    settings.insert("Bridge".to_owned(), json!(""));
    settings.insert("SandboxID".to_owned(), json!(places.first().map_or("", |(_, endpoint)| &endpoint.id)));
    settings.insert("SandboxKey".to_owned(), json!(key));
    settings.insert("Ports".to_owned(), ports.clone());
    for (name, value) in [
        ("HairpinMode", json!(false)),
        ("LinkLocalIPv6Address", json!("")),
        ("LinkLocalIPv6PrefixLen", json!(0)),
        ("SecondaryIPAddresses", Value::Null),
        ("SecondaryIPv6Addresses", Value::Null),
        ("EndpointID", json!(bridge.map_or("", |(_, endpoint)| &endpoint.id))),
    ] {
        settings.insert(name.to_owned(), value);
    }
    for name in ["Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen", "IPv6Gateway"] {
        settings.insert(name.to_owned(), own[name].clone());
    }
    settings.insert("MacAddress".to_owned(), own["MacAddress"].clone());
    let networks: Map<String, Value> =
        places.iter().map(|(record, endpoint)| (record.name.clone(), place(record, endpoint))).collect();
    settings.insert("Networks".to_owned(), networks.into());
    settings
}

/// docker's `EndpointSettings` of a running container.
pub fn place(record: &NetworkRecord, endpoint: &Endpoint) -> Value {
    let addresses = addresses(record, endpoint);
    json!({
        "IPAMConfig": Value::Null,
        "Links": or_null(&endpoint.links),
        "Aliases": or_null(&endpoint.aliases),
        "MacAddress": endpoint.hardware_address,
        "DriverOpts": Value::Null,
        "GwPriority": 0,
        "NetworkID": record.id,
        "EndpointID": endpoint.id,
        "Gateway": addresses["Gateway"],
        "IPAddress": addresses["IPAddress"],
        "IPPrefixLen": addresses["IPPrefixLen"],
        "IPv6Gateway": addresses["IPv6Gateway"],
        "GlobalIPv6Address": addresses["GlobalIPv6Address"],
        "GlobalIPv6PrefixLen": addresses["GlobalIPv6PrefixLen"],
        "DNSNames": or_null(&endpoint.names),
    })
}

fn or_null(list: &[String]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

fn addresses(record: &NetworkRecord, endpoint: &Endpoint) -> Value {
    let pools = record.pools().unwrap_or_default();
    let of = |ipv4: bool| pools.iter().find(|pool| pool.subnet.is_ipv4() == ipv4);
    let gateway =
        |ipv4: bool| of(ipv4).filter(|_| !record.internal).map_or(String::new(), |pool| pool.gateway.to_string());
    let length = |has: bool, ipv4: bool| of(ipv4).filter(|_| has).map_or(0, |pool| pool.subnet.length);
    json!({
        "Gateway": gateway(true),
        "IPAddress": endpoint.ipv4.map_or(String::new(), |address| address.to_string()),
        "IPPrefixLen": length(endpoint.ipv4.is_some(), true),
        "IPv6Gateway": gateway(false),
        "GlobalIPv6Address": endpoint.ipv6.map_or(String::new(), |address| address.to_string()),
        "GlobalIPv6PrefixLen": length(endpoint.ipv6.is_some(), false),
        "MacAddress": endpoint.hardware_address,
    })
}

fn no_addresses() -> Value {
    json!({
        "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0, "MacAddress": "",
    })
}

/// docker's `network inspect`: the record, and the network's containers.
pub fn network(record: &NetworkRecord, endpoints: &[Endpoint]) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or(Value::Null);
    let with_length = |address: Option<std::net::IpAddr>| {
        let Some(address) = address else { return String::new() };
        let pools = record.pools().unwrap_or_default();
        let length = pools.iter().find(|pool| pool.subnet.contains(address)).map(|pool| pool.subnet.length);
        Subnet { address, length: length.unwrap_or(if address.is_ipv4() { 32 } else { 128 }) }.to_string()
    };
    let containers: Map<String, Value> = endpoints
        .iter()
        .map(|endpoint| {
            let description = json!({
                "Name": endpoint.name,
                "EndpointID": endpoint.id,
                "MacAddress": endpoint.hardware_address,
                "IPv4Address": with_length(endpoint.ipv4.map(Into::into)),
                "IPv6Address": with_length(endpoint.ipv6.map(Into::into)),
            });
            (endpoint.container.clone(), description)
        })
        .collect();
    // Networks without address management have no list of pools.
    if record.is_predefined() && record.ipam.config.is_empty() {
        value["IPAM"]["Config"] = Value::Null;
    }
    if record.name == BRIDGE {
        let mtu = record.mtu().unwrap_or(USUAL_MTU).to_string();
        // What the default network is like without a word, docker says in words.
        for (option, usual) in [
            ("com.docker.network.bridge.default_bridge", "true"),
            ("com.docker.network.bridge.enable_icc", "true"),
            ("com.docker.network.bridge.enable_ip_masquerade", "true"),
            ("com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"),
            ("com.docker.network.driver.mtu", mtu.as_str()),
        ] {
            if value["Options"].get(option).is_none() {
                value["Options"][option] = json!(usual);
            }
        }
    }
    if let Value::Object(fields) = &mut value {
        fields.shift_remove("HasChosenSubnet");
        let after: Vec<(String, Value)> = ["Options", "Labels"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), fields.shift_remove(*name)?)))
            .collect();
        fields.insert("Containers".to_owned(), containers.into());
        fields.extend(after);
    }
    value
}
