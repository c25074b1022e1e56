//! Networks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::base::Filters;
use crate::container::EndpointConfig;
use crate::container::network::{IpamPool, NewNetwork, Subnet, describe_network};
use crate::engine::{Uncounted, network};

pub fn list(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let filters = Filters::parse(&request.query.filters()?, &network::FILTERS)?;
    let records = network::list(service.root(), &filters)?;
    // Only the document of a single network lists its containers.
    let rows: Vec<Value> = records.iter().map(|record| describe_network(record, &[])).collect();
    Ok(Response::json(&rows)?)
}

pub fn inspect(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let name = request.part("id");
    if request.query.text("scope").is_some_and(|scope| scope != "local") {
        return Err(ApiError::not_found(format!("network {name} not found")));
    }
    Ok(Response::json(&network::inspect(service.root(), name)?)?)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkBody {
    name: String,
    driver: String,
    scope: String,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_only: bool,
    config_from: ConfigFrom,
    #[serde(rename = "IPAM")]
    ipam: Ipam,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigFrom {
    network: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Ipam {
    driver: String,
    config: Vec<IpamPool>,
    options: Option<BTreeMap<String, String>>,
}

impl NetworkBody {
    /// Refuses what requires a swarm.
    fn check(&self) -> Result<(), ApiError> {
        if self.name.trim().is_empty() {
            return Err(ApiError::bad_request("invalid name: name is empty"));
        }
        if !matches!(self.scope.as_str(), "" | "local") {
            return Err(ApiError::new(403, "cannot create a swarm scoped network when swarm is not active"));
        }
        if self.ingress {
            return Err(ApiError::new(403, "cannot create an ingress network: this node is not a swarm manager"));
        }
        if matches!(self.driver.as_str(), "overlay") {
            return Err(ApiError::new(
                403,
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this \
                 node to swarm and try again.",
            ));
        }
        if !matches!(self.ipam.driver.as_str(), "" | "default") {
            return Err(ApiError::not_found(format!("plugin {:?} not found", self.ipam.driver)));
        }
        for pool in self.ipam.config.iter().filter(|pool| **pool != IpamPool::default()) {
            check_subnet(&pool.subnet)
                .map_err(|text| ApiError::bad_request(format!("invalid network config:\n{text}")))?;
        }
        if self.enable_ipv4 == Some(false) {
            return Err(ApiError::bad_request("EnableIPv4=false: every network of rbuild has addresses of IPv4"));
        }
        Ok(())
    }
}

/// It is written as the network that it is, not as an address in it.
fn check_subnet(text: &str) -> Result<(), String> {
    let subnet: Subnet = text.parse().map_err(|_| format!("invalid subnet {text}: invalid CIDR block notation"))?;
    match subnet == subnet.network() {
        true => Ok(()),
        false => Err(format!("invalid subnet {text}: it should be {}", subnet.network())),
    }
}

pub fn create(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let body: NetworkBody = request.json_or_default()?;
    body.check()?;
    let or_default = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let new = NewNetwork {
        name: body.name,
        driver: or_default(body.driver, "bridge"),
        internal: body.internal,
        attachable: body.attachable,
        ipv6: body.enable_ipv6,
        ipam_driver: or_default(body.ipam.driver, "default"),
        ipam_options: body.ipam.options,
        config_only: body.config_only,
        config_from: body.config_from.network,
        pools: body.ipam.config.into_iter().filter(|pool| *pool != IpamPool::default()).collect(),
        options: body.options,
        labels: body.labels,
    };
    let record = network::create(service.root(), new)?;
    Ok(Response::json(&json!({"Id": record.id, "Warning": ""}))?.status(201))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConnectBody {
    container: String,
    endpoint_config: EndpointConfig,
}

pub fn connect(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let ConnectBody { container, mut endpoint_config } = request.json_or_default()?;
    check_name(&container)?;
    // docker's CLI always sends an empty config.
    endpoint_config.ipam_config = endpoint_config.ipam_config.filter(|config| *config != Default::default());
    network::connect(service.root(), request.part("id"), &container, endpoint_config)?;
    Ok(Response::empty(200))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DisconnectBody {
    container: String,
    force: bool,
}

pub fn disconnect(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let DisconnectBody { container, force } = request.json_or_default()?;
    check_name(&container)?;
    network::disconnect(service.root(), request.part("id"), &container, force)?;
    Ok(Response::empty(200))
}

/// Nothing is no name, not even of something that is missing.
fn check_name(container: &str) -> Result<(), ApiError> {
    if container.is_empty() {
        return Err(ApiError::bad_request("invalid name or ID supplied: \"\""));
    }
    Ok(())
}

pub fn remove(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    network::remove(service.root(), request.part("id"))?;
    Ok(Response::empty(204))
}

pub fn prune(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let filters = Filters::parse(&request.query.filters()?, &["label", "label!", "until"])?;
    let removed = network::prune(service.root(), &filters, &Uncounted)?;
    let removed = if removed.is_empty() { Value::Null } else { Value::from(removed) };
    Ok(Response::json(&json!({"NetworksDeleted": removed}))?)
}
